"""What a round consists of, and in which order."""

import pytest

from experiments.bench.aims import AIMS
from experiments.bench.measures import SIZES
from experiments.bench.plan import Job, groups, jobs_of_round
from experiments.bench.servers import SERVERS


def results(jobs: list[Job]) -> list[str]:
    return [job.result_name(server) for job in jobs for server in job.servers]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", [0, 1])
def test_a_round_has_everything_once_and_all_that_aims_need(size: str, number: int) -> None:
    found = results(jobs_of_round(SIZES[size], number, seed=1))
    assert len(found) == len(set(found))
    needed = {name for aim in AIMS for name in (aim.name, aim.peer_name, aim.floor) if name}
    assert needed <= set(found)
    assert (needed == set(found)) == (size == "quick" or number > 0)


def test_both_ways_of_responding_to_polls_are_measured() -> None:
    found = results(jobs_of_round(SIZES["default"], 0, seed=1))
    for name in ("hub", "tasks", "http", "starlette"):
        assert {f"polling short_poll {name}", f"fan_out long_poll {name}", f"memory long_poll {name}"} <= set(found)


def test_memory_is_measured_in_two_rounds() -> None:
    measured = [any(job.measure == "memory" for job in jobs_of_round(SIZES["full"], n, 1)) for n in range(4)]
    assert measured == [True, True, False, False]


def test_a_server_does_only_what_it_can() -> None:
    for job in jobs_of_round(SIZES["full"], 0, seed=1):
        assert job.servers
        assert all(job.transport in SERVERS[name].transports for name in job.servers)


def test_rounds_are_shuffled_each_in_its_own_way_and_always_the_same() -> None:
    first, second = (jobs_of_round(SIZES["full"], number, seed=1) for number in (2, 3))
    assert sorted(results(first)) == sorted(results(second))
    assert first != second
    assert first == jobs_of_round(SIZES["full"], 2, seed=1) != jobs_of_round(SIZES["full"], 2, seed=2)


def test_what_is_compared_is_measured_one_after_the_other() -> None:
    jobs = jobs_of_round(SIZES["full"], 1, seed=1)
    for group in groups(SIZES["full"].in_round(1), SERVERS):
        places = sorted(jobs.index(job) for job in group)
        assert places == list(range(places[0], places[0] + len(group)))


def test_how_many_readers_there_can_be_is_found_out_once() -> None:
    holding = [[job for job in jobs_of_round(SIZES["full"], n, 1) if job.measure == "holding"] for n in range(3)]
    assert list(map(len, holding)) == [1, 0, 0]


def test_a_missing_peer_is_left_out() -> None:
    there = [name for name in SERVERS if name not in ("ws", "picows")]
    found = results(jobs_of_round(SIZES["default"], 0, seed=1, servers=there))
    assert found
    assert not any(name.endswith((" ws", " picows")) for name in found)
    only = results(jobs_of_round(SIZES["default"], 0, seed=1, servers=["picows"]))
    assert sorted(only) == ["fan_out websocket picows", "push websocket picows"]
