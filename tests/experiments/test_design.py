"""What is measured: which runs a plan has, how long they are, and when messages come and polls begin."""

import itertools
import math
import os
import random
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from app.engine_io import PING_INTERVAL_S
from app.transports import long_poll, sse
from experiments.design import (
    SIZES,
    Condition,
    Run,
    Size,
    arrivals,
    every_variant,
    phases,
    plan,
)
from experiments.questions import QUESTIONS
from experiments.variants import VARIANTS

EVERY = [condition for question in QUESTIONS.values() for condition in question.CONDITIONS]
every_size = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
rates = st.sampled_from([0.0, 0.1, 0.2, 1.0, 5.0, 100.0])
lengths = st.floats(0.5, 60)


# Conditions


def test_a_library_sends_its_own_headers() -> None:
    with pytest.raises(ValueError, match="a client library sends its own headers; use the raw client"):
        Condition("sse", client="library", headers="browser")
    Condition("sse", client="raw", headers="browser")


def test_only_known_variants_are_measured() -> None:
    for transport, via in (("socket_io", ""), ("sse", "polling"), ("websocket", "websocket"), ("pigeon", "")):
        with pytest.raises(ValueError, match=r"unknown variant .*known: short_poll, .*, socket_io polling"):
            Condition(transport, via=via)  # type: ignore[arg-type]


def test_every_variant_is_a_condition_and_says_so() -> None:
    assert [condition.variant for condition in every_variant()] == list(VARIANTS)
    assert [condition.kind for condition in every_variant()] == list(VARIANTS.values())
    assert [condition.pause_s for condition in every_variant()] == [1.0] + [0.0] * (len(VARIANTS) - 1)


def test_heartbeats_and_hold_are_the_servers() -> None:
    pings_s = {"socket_io": PING_INTERVAL_S, "sse": sse.HEARTBEAT_S, "websocket": uvicorn.Config("").ws_ping_interval}
    for variant in VARIANTS.values():
        assert variant.heartbeat_s == pings_s.get(variant.transport)
    assert VARIANTS["long_poll"].hold_s == long_poll.HOLD_S


def test_only_long_polls_are_held() -> None:
    held = {condition.variant: condition.hold_s for condition in every_variant()}
    assert held.pop("long_poll") == VARIANTS["long_poll"].hold_s
    assert held.pop("socket_io polling") == math.inf  # or until the next heartbeat
    assert set(held.values()) == {0.0}


def test_the_network_decides_what_polls_and_what_is_undeliverable() -> None:
    variants = {"short_poll", "long_poll", "socket_io polling"}
    assert {condition.variant for condition in every_variant() if condition.polls} == variants
    assert not any(condition.undeliverable for condition in every_variant())
    for upgrades in ("refuse", "cut"):
        there = every_variant(upgrades=upgrades)
        assert {condition.variant for condition in there if condition.polls} == variants | {"socket_io upgrade"}
        assert {condition.variant for condition in there if condition.undeliverable} == {
            "websocket",
            "socket_io websocket",
        }
    assert {condition.variant for condition in every_variant() if condition.heartbeat_hz} == {"socket_io polling"}


def test_a_run_is_exclusive_where_milliseconds_count() -> None:
    assert Condition("short_poll", measures="broadcasts").exclusive
    assert Condition("websocket", measures="storm").exclusive
    assert {condition.variant for condition in every_variant() if not condition.exclusive} == {"short_poll"}
    assert not Condition("sse", one_way_delay_ms=25.0).exclusive
    assert not Condition("sse", client="raw").exclusive  # milliseconds are those of the libraries that people use
    assert not Condition("sse", client="raw", clients=0).exclusive


# Plans


@every_size
def test_a_plan_has_each_condition_once_per_repeat(size: Size) -> None:
    runs = plan(EVERY + EVERY[::-1], size, seed=1)
    wanted = {condition for condition in EVERY if size.fits(condition)}
    assert Counter((run.condition, run.repeat) for run in runs) == Counter(
        (condition, repeat) for condition in wanted for repeat in range(size.times(condition))
    )


@every_size
def test_questions_share_the_runs_of_shared_conditions(size: Size) -> None:
    shared = set(QUESTIONS["interval"].CONDITIONS) & set(QUESTIONS["rate"].CONDITIONS)
    assert shared
    both = plan([*QUESTIONS["interval"].CONDITIONS, *QUESTIONS["rate"].CONDITIONS], size, seed=1)
    for condition in shared:
        assert sum(run.condition == condition for run in both) == size.times(condition)
    one = {run.name: run for run in plan(QUESTIONS["interval"].CONDITIONS, size, seed=1)}
    together = {run.name: run for run in both}
    assert one.items() <= together.items()  # with the same seeds: what one question measured serves the other


@every_size
def test_a_plan_depends_on_its_seed_and_on_nothing_else(size: Size) -> None:
    first, again, other = plan(EVERY, size, 1), plan(EVERY, size, 1), plan(EVERY, size, 2)
    assert first == again != other
    assert [run.name for run in first] != [run.name for run in other]
    assert {run.name for run in first} == {run.name for run in other}
    assert len({run.seed for run in (*first, *other)}) == len(first) + len(other)


def test_repeats_of_a_condition_do_not_stand_together() -> None:
    runs = plan(EVERY, SIZES["full"], 1)
    neighbours = sum(a.condition == b.condition for a, b in itertools.pairwise(runs))
    assert neighbours < 0.1 * len(runs)


@every_size
def test_run_names_are_unique_and_fit_for_files(size: Size) -> None:
    names = [run.name for run in plan(EVERY, size, seed=1)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z_]+(-[a-z]+)?-[0-9.]+hz-[0-9.]+ms-[0-9a-f]{8}-[0-9]", name) for name in names)


def test_run_names_and_order_are_the_same_in_every_process() -> None:
    code = (
        "from experiments.design import *\n"
        "conditions = [Condition('sse', rate_hz=rate_hz) for rate_hz in (1.0, 2.0, 5.0)]\n"
        "for run in plan(conditions, SIZES['full'], 1): print(run.name, run.seed)"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    printed = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
    runs = plan([Condition("sse", rate_hz=rate_hz) for rate_hz in (1.0, 2.0, 5.0)], SIZES["full"], 1)
    assert printed.splitlines() == [f"{run.name} {run.seed}" for run in runs]


def test_a_name_tells_runs_of_other_conditions_or_lengths_apart() -> None:
    run = Run(Condition("sse"), 0, 10.0, seed=1)
    others = [
        Run(Condition("sse", text_bytes=121), 0, 10.0, 1),
        Run(Condition("sse", clients=4), 0, 10.0, 1),
        Run(Condition("sse", client="raw"), 0, 10.0, 1),
        Run(Condition("sse"), 1, 10.0, 1),
        Run(Condition("sse"), 0, 10.5, 1),
    ]
    assert len({run.name, *(other.name for other in others)}) == 6
    assert Run(Condition("sse"), 0, 10.0, seed=2).name == run.name


# Windows


@every_size
def test_windows_are_long_enough_to_see_something_and_no_longer_than_a_minute(size: Size) -> None:
    for condition in filter(size.fits, EVERY):
        window_s = size.window_s(condition)
        if condition.crowd:
            assert 1 <= window_s <= 20
            continue
        if condition.measures != "deliveries":
            events_hz = condition.clients * (1 / condition.pause_s if condition.pause_s else condition.rate_hz)
            assert 1 <= window_s <= 5
            assert condition.measures == "memory" or not condition.clients or events_hz * window_s >= 1_000
            continue
        assert size.least_s <= window_s <= 60
        assert window_s * condition.rate_hz >= 4 or condition.rate_hz == 0
        assert window_s >= min(4 * condition.pause_s, size.most_s)
    assert size.window_s(Condition("sse", rate_hz=0.0)) == 60  # bytes per minute are counted and not extrapolated


def test_a_quick_look_leaves_out_what_is_slow() -> None:
    quick = plan(EVERY, SIZES["quick"], 1)
    assert quick
    assert all(run.window_s <= 4 and run.condition.rate_hz >= 1 and run.condition.pause_s <= 1 for run in quick)
    crowds = {size.name: {c for c in EVERY if c.crowd and c.clients == size.crowd} for size in SIZES.values()}
    assert all(crowds.values())
    assert sum(map(len, crowds.values())) == sum(c.crowd for c in set(EVERY))
    others = {condition for condition in EVERY if not condition.crowd}
    assert {run.condition for run in plan(EVERY, SIZES["default"], 1)} == others | crowds["default"]
    assert {run.condition.transport for run in quick} == {condition.transport for condition in EVERY}


def test_more_is_measured_in_a_larger_size_and_what_is_slow_less_often() -> None:
    quick, default, full = ({run.name: run for run in plan(EVERY, size, 1)} for size in SIZES.values())
    assert len(quick) < len(default) < len(full)
    for name in ("default", "full"):
        size = SIZES[name]
        assert 1 <= size.times(Condition("sse", rate_hz=0.0)) < size.times(Condition("sse", rate_hz=1.0))


def test_a_new_field_changes_no_name_and_no_seed_of_runs_that_do_not_use_it() -> None:
    @dataclass(frozen=True)
    class Newer(Condition):
        colour: str = "grey"

    (old,) = plan([Condition("sse", rate_hz=5.0)], replace(SIZES["default"], repeats=1), seed=3)
    (new,) = plan([Newer("sse", rate_hz=5.0)], replace(SIZES["default"], repeats=1), seed=3)
    (used,) = plan([Newer("sse", rate_hz=5.0, colour="red")], replace(SIZES["default"], repeats=1), seed=3)
    assert (new.name, new.seed) == (old.name, old.seed)
    assert used.name != old.name
    assert used.seed != old.seed


# Arrivals and phases


@given(st.integers(), rates, lengths)
def test_as_many_messages_are_due_as_the_rate_says_in_order_in_the_window(
    seed: int, rate_hz: float, length_s: float
) -> None:
    due = arrivals(random.Random(seed), rate_hz, length_s)
    assert len(due) == round(rate_hz * length_s)
    assert due == sorted(due)
    assert all(0 <= at_s < length_s for at_s in due)
    assert due == arrivals(random.Random(seed), rate_hz, length_s)


def test_other_seeds_give_other_arrivals() -> None:
    assert arrivals(random.Random(1), 1, 60) != arrivals(random.Random(2), 1, 60)


def test_arrivals_are_a_poisson_process() -> None:
    """Given their number, they are independent and uniform; then gaps are exponential and counts in parts binomial."""
    due = np.array([arrivals(random.Random(seed), 5, 20) for seed in range(400)])
    shares = np.sort(due, axis=None) / 20
    assert np.abs(shares - np.linspace(0, 1, shares.size)).max() < 1.63 / np.sqrt(shares.size)  # Kolmogorov, 1 %
    in_a_second = (due < 1).sum(axis=1)  # binomial(100, 1/20)
    assert in_a_second.mean() == pytest.approx(5, rel=0.05)
    assert in_a_second.var() == pytest.approx(100 / 20 * 19 / 20, rel=0.2)
    gaps_s = np.diff(due, axis=1)
    assert (gaps_s > 0.2).mean() == pytest.approx(np.exp(-1), rel=0.03)


@given(st.integers(), st.integers(1, 40), st.floats(0.05, 60))
def test_every_part_of_the_period_has_one_client(seed: int, clients: int, period_s: float) -> None:
    starts = phases(random.Random(seed), clients, period_s)
    assert [min(int(start / period_s * clients + 1e-9), clients - 1) for start in sorted(starts)] == [*range(clients)]
    assert all(0 <= start <= period_s for start in starts)
    assert starts == phases(random.Random(seed), clients, period_s)


def test_each_clients_phase_is_uniform_over_the_whole_period() -> None:
    starts = np.array([phases(random.Random(seed), 5, 2.0) for seed in range(1_000)])
    for client in range(5):
        shares = np.sort(starts[:, client]) / 2
        assert np.abs(shares - np.linspace(0, 1, 1_000)).max() < 1.63 / np.sqrt(1_000)
