"""Which runs measure side by side, which are exclusive, which are repeated; and that no process is left behind."""

import functools
import itertools
import math
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from experiments import schedule
from experiments.design import SIZES, Condition, Run, plan
from experiments.questions import QUESTIONS
from experiments.schedule import (
    EXCLUSIVE_AT_ONCE,
    EXCLUSIVE_READY,
    LOAD_MOST,
    Schedule,
    description,
    is_slow,
    load,
    take_batch,
)
from tests.pretending import Outcome, pretend

EXCLUSIVE = [Run(Condition(transport), 0, 0.05, seed=1) for transport in ("long_poll", "sse", "websocket")]
LOADED = [
    *(Run(Condition("sse", rate_hz=hz, client="raw", measures="cpu"), 0, 0.05, seed=1) for hz in (5.0, 9.0)),
    Run(Condition("sse", client="raw", measures="broadcasts"), 0, 0.05, seed=1),
]
SLOW = [Run(Condition("sse", rate_hz=hz, one_way_delay_ms=25.0), 0, 0.6, seed=1) for hz in (0.0, 0.1, 0.2)]
OTHERS = [Run(Condition("sse", rate_hz=hz, one_way_delay_ms=25.0), 0, 0.1, seed=1) for hz in (1.0, 2.0, 3.0, 4.0)]


@dataclass
class Done:
    """What a schedule said, and did."""

    results: dict[str, dict[str, Any] | str] = field(default_factory=dict)
    left_s: list[float] = field(default_factory=list)

    def __call__(self, run: Run, result: dict[str, Any] | str) -> None:
        assert run.name not in self.results
        self.results[run.name] = result

    def tick(self, schedule: Schedule) -> None:
        self.left_s.append(schedule.left_s())

    def times(self, run: Run) -> tuple[int, int, int]:
        """When a run was started, was told to go, and ended."""
        result = self.results[run.name]
        assert isinstance(result, dict)
        times = result["times"]
        return times["started_ns"], times["went_ns"], times["ended_ns"]


@pytest.fixture
def do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Does runs that only pretend, with these outcomes of their tries; afterwards no process is left."""

    def do(runs: Sequence[Run], outcomes: dict[str, list[Outcome]] | None = None, **options: Any) -> Done:
        monkeypatch.setattr(schedule, "run_in_process", functools.partial(pretend, tmp_path, outcomes or {}))
        before, done = set(multiprocessing.active_children()), Done()
        try:
            Schedule(runs, done, **{"tick": done.tick, **options}).go()
        finally:
            assert set(multiprocessing.active_children()) == before
        return done

    return do


def test_every_run_is_done_once(do: Callable[..., Done], tmp_path: Path) -> None:
    runs = [*EXCLUSIVE, *OTHERS, *SLOW]
    done = do(runs)
    assert done.results.keys() == {run.name for run in runs}
    assert all(isinstance(result, dict) and result["tries"] == 1 for result in done.results.values())
    assert all(len((tmp_path / run.name).read_text().splitlines()) == 1 for run in runs)


def test_no_runs_are_done_at_once(do: Callable[..., Done]) -> None:
    assert do([]).results == {}


def test_runs_of_a_batch_measure_side_by_side_once_all_are_ready(do: Callable[..., Done]) -> None:
    done = do(OTHERS)
    started, went, ended = zip(*(done.times(run) for run in OTHERS), strict=True)
    assert max(started) < min(went)
    assert max(went) < min(ended)


def test_repeats_of_a_condition_are_not_measured_at_the_same_time(do: Callable[..., Done]) -> None:
    repeats = [replace(OTHERS[0], repeat=repeat) for repeat in range(3)]
    done = do([*repeats, *OTHERS[1:]])
    for one, other in itertools.permutations(repeats, 2):
        assert done.times(one)[2] < done.times(other)[0] or done.times(other)[2] < done.times(one)[0]


def test_an_exclusive_run_has_nothing_beside_it_but_slow_ones_that_measure_already(do: Callable[..., Done]) -> None:
    done = do([*OTHERS, *SLOW, *EXCLUSIVE])
    for one, other in itertools.product(EXCLUSIVE, OTHERS):
        assert done.times(one)[2] < done.times(other)[0] or done.times(other)[2] < done.times(one)[0]
    for one, slow in itertools.product(EXCLUSIVE, SLOW):
        assert done.times(slow)[1] < done.times(one)[0] or done.times(one)[2] < done.times(slow)[0]
    # Slow runs take longest and load the machine least, so they start first.
    assert max(done.times(run)[0] for run in SLOW) < min(done.times(run)[0] for run in EXCLUSIVE)


def test_exclusive_runs_get_ready_together_and_measure_one_after_the_other(do: Callable[..., Done]) -> None:
    done = do([*EXCLUSIVE, *LOADED])
    started, went, _ = zip(*(done.times(run) for run in (*EXCLUSIVE, *LOADED)), strict=True)
    assert max(started) < min(went)
    for one, other in itertools.permutations((*EXCLUSIVE, *LOADED), 2):
        if one in LOADED:  # it measures CPU or a crowd, and has the machine to itself
            assert done.times(one)[2] < done.times(other)[1] or done.times(other)[2] < done.times(one)[1]
    for at_ns in went:
        beside = [run for run in EXCLUSIVE if done.times(run)[1] <= at_ns < done.times(run)[2]]
        assert len(beside) <= EXCLUSIVE_AT_ONCE


@pytest.mark.parametrize("outcome", ["suspect", "fails", "dies", "leaves"])
@pytest.mark.parametrize("runs", [EXCLUSIVE, OTHERS], ids=["exclusive", "others"])
def test_a_suspect_run_is_repeated_once(do: Callable[..., Done], runs: list[Run], outcome: Outcome) -> None:
    done = do(runs, {runs[1].name: [outcome]})
    tries = {name: result["tries"] for name, result in done.results.items() if isinstance(result, dict)}
    assert tries == {run.name: 1 + (run == runs[1]) for run in runs}
    assert not any(result["suspect"] for result in done.results.values() if isinstance(result, dict))


def test_a_run_that_stays_suspect_is_kept_as_it_is(do: Callable[..., Done]) -> None:
    done = do(OTHERS, {OTHERS[1].name: ["suspect"] * 9})
    result = done.results[OTHERS[1].name]
    assert isinstance(result, dict)
    assert (result["tries"], result["suspect"]) == (2, ["made up"])


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ("fails", "OSError: it went wrong"),
        ("dies", "the process of the run ended without a result"),
        ("leaves", "the process of the run ended without a result"),
    ],
)
def test_a_run_that_fails_again_is_given_up_and_the_others_are_done(
    do: Callable[..., Done], outcome: Outcome, why: str, tmp_path: Path
) -> None:
    lost = OTHERS[1]
    done = do([*OTHERS, *EXCLUSIVE], {lost.name: [outcome] * 9})
    assert done.results[lost.name] == why
    assert len((tmp_path / lost.name).read_text().splitlines()) == 2
    assert all(isinstance(done.results[run.name], dict) for run in (*OTHERS, *EXCLUSIVE) if run != lost)


def test_when_time_is_up_no_run_is_done_again(do: Callable[..., Done]) -> None:
    done = do(OTHERS, {OTHERS[1].name: ["suspect"], OTHERS[2].name: ["fails"]}, retry_s=0)
    suspect = done.results[OTHERS[1].name]
    assert isinstance(suspect, dict)
    assert (suspect["tries"], suspect["suspect"]) == (1, ["made up"])
    assert done.results[OTHERS[2].name] == "OSError: it went wrong"


@pytest.mark.parametrize("outcome", ["hangs", "stays"])
def test_a_run_that_hangs_is_told_to_clean_up_and_done_once_more(
    do: Callable[..., Done], outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "LATE_S", 6.0)  # a hundred times what they take
    monkeypatch.setattr(schedule, "AROUND_S", 0.1)
    done = do(OTHERS, {OTHERS[1].name: [outcome]})
    tries = {name: result["tries"] for name, result in done.results.items() if isinstance(result, dict)}
    # The others wait for it for longer than they may take to get ready, and that is not their fault.
    assert tries == {run.name: 1 + (run == OTHERS[1]) for run in OTHERS}
    (clean,) = tmp_path.glob("*.clean")
    assert (clean.stem, clean.read_text()) == (OTHERS[1].name, "told once\n")


@pytest.mark.parametrize("runs", [EXCLUSIVE, OTHERS], ids=["exclusive", "others"])
def test_an_interrupted_schedule_leaves_no_process_behind(
    do: Callable[..., Done], runs: list[Run], tmp_path: Path
) -> None:
    def interrupt(going: Schedule) -> None:
        if any(one.ends_at < math.inf for one in going.going.values()):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(runs, {run.name: ["stays"] for run in runs}, tick=interrupt)
    clean = {path.stem for path in tmp_path.glob("*.clean")}
    assert clean == {path.name for path in tmp_path.iterdir() if path.suffix != ".clean"} != set()


def test_the_time_that_is_left_is_always_told_and_ends_with_nothing(do: Callable[..., Done]) -> None:
    left_s = do([*OTHERS, *EXCLUSIVE]).left_s
    assert all(0 <= left < 60 for left in left_s)
    assert left_s[0] > left_s[-1] == 0


def every_plan() -> list[tuple[str, list[Run]]]:
    conditions = [condition for question in QUESTIONS.values() for condition in question.CONDITIONS]
    return [(name, plan(conditions, size, seed=1)) for name, size in SIZES.items()]


@pytest.mark.parametrize(("name", "runs"), every_plan(), ids=SIZES)
def test_batches_hold_every_run_once_and_no_more_than_the_machine_can_do(name: str, runs: list[Run]) -> None:
    queues = Schedule(runs, Done(), lambda _: None)
    batches = [
        take_batch(queue)
        for queue in (queues.exclusive, queues.slow, queues.growing, queues.others)
        for _ in range(len(queue))
        if queue
    ]
    assert sorted(run.name for batch in batches for run in batch) == sorted(run.name for run in runs)
    for batch in batches:
        if any(run.condition.measures == "memory" for run in batch):
            assert len(batch) <= schedule.CORES and {run.condition.measures for run in batch} == {"memory"}
            continue
        if any(run.condition.exclusive for run in batch):
            assert len(batch) <= EXCLUSIVE_READY and all(run.condition.exclusive for run in batch)
            continue
        assert len(batch) == 1 or sum(map(load, batch)) <= LOAD_MOST
        assert len(batch) == 1 or not any(run.condition.exclusive for run in batch)
        assert len({is_slow(run) for run in batch}) == 1
        assert len({run.condition for run in batch}) == len(batch)
        windows_s = [run.window_s for run in batch]
        assert is_slow(batch[0]) or min(windows_s) > 0.6 * max(windows_s)  # the shorter ones would wait for the longer
    assert len(batches) < len(runs)


def test_what_asks_more_often_is_expected_to_load_more() -> None:
    def expected(**fields: Any) -> float:
        return load(Run(Condition("short_poll", **fields), 0, 10.0, seed=1))

    assert expected(pause_s=0.1) > expected(pause_s=1.0) > expected(pause_s=1.0, client="raw")
    assert expected(pause_s=1.0, clients=10) > expected(pause_s=1.0) > expected(pause_s=1.0, one_way_delay_ms=100.0)
    assert expected(pause_s=1.0, rate_hz=100.0) > expected(pause_s=1.0)
    assert 0 < load(Run(Condition("sse", rate_hz=0.0), 0, 10.0, seed=1)) < 0.05


def test_a_run_is_described_with_all_that_it_depends_on() -> None:
    run = replace(OTHERS[2], seed=77)
    told = description(run)
    assert told["run"] == run.name
    assert Run(Condition(**told["condition"]), told["repeat"], told["window_s"], told["seed"]) == run
