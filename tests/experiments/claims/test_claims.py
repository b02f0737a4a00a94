"""Every verdict that a claim can have, from a comparison that is made up so that it must; and what is said with it."""

import json
import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from experiments import claims
from experiments.analysis.tables import table
from experiments.claims.verdict import (
    CONDITIONALLY,
    FAILS,
    HOLDS,
    TOLERANCE,
    UNDECIDED,
    WORDS,
    Comparison,
    Cost,
    Undecided,
    Verdict,
    any_beyond,
    by_variant,
    cost,
)
from experiments.design import Condition
from experiments.questions import QUESTIONS
from experiments.report.reference import named
from tests import inventing
from tests.inventing import Change, Result, a_table


def nothing(condition: Condition, result: Result) -> None:
    """All is as one would expect."""


def said_of(number: int, change: Change = nothing, gone: Callable[[Condition], bool] = lambda _: False) -> Verdict:
    """The verdict on a claim, with no-break spaces made plain, from the questions that it names and no others."""
    claim = claims.CLAIMS[number - 1]
    its = {condition for name in claim.CHARTS for condition in QUESTIONS[name].CONDITIONS}
    verdict = claims.judged(claim, a_table(change, lambda condition: condition in its and not gone(condition)))
    said = f"{verdict.sentence} {verdict.found}".replace("\u00a0", " ")
    return Verdict(verdict.word, said, "", verdict.numbers)


def late(variant: str, ms: float, pause_s: float | None = None) -> Change:
    """Every message of a variant takes so long; of one pause only, if it is given."""

    def change(condition: Condition, result: Result) -> None:
        if condition.variant == variant and condition.pause_s in (pause_s, pause_s is None and condition.pause_s):
            result["delay_ms"] = [delay and ms for delay in result["delay_ms"]]

    return change


def times(variant: str, factor: float, *metrics: str, **fields: Any) -> Change:
    """So many times as much of these metrics, under the conditions that have these fields."""

    def change(condition: Condition, result: Result) -> None:
        if condition.variant == variant and all(getattr(condition, name) == value for name, value in fields.items()):
            for name in metrics:
                result["metrics"][name] *= factor

    return change


def mixed(condition: Condition, result: Result) -> None:
    """Polled every second, one message comes at once, and the next is late."""
    if condition.variant == "short_poll" and condition.pause_s == 1:
        result["delay_ms"] = [100.0 + 50 * (-1) ** i for i in range(len(result["delay_ms"]))]


def asks(variant: str) -> Change:
    """A request for every message."""

    def change(condition: Condition, result: Result) -> None:
        if condition.variant == variant:
            result["metrics"]["requests"] = result["metrics"]["deliveries"]

    return change


def heavy(variant: str, kilobytes: float) -> Change:
    def change(condition: Condition, result: Result) -> None:
        if condition.variant == variant:
            weigh(result, kilobytes)

    return change


def weigh(result: Result, kilobytes: float) -> None:
    """A reader of a run that measures memory costs so much."""
    metrics = result["metrics"]
    for number in range(1, 1 + len(inventing.STEPS) * ("step_1_readers" in metrics)):
        metrics[f"step_{number}_rss_bytes"] = 45_000_000 + 1000 * kilobytes * metrics[f"step_{number}_readers"]


def busy(variant: str, ms: float) -> Change:
    """So much CPU time for each of its messages, on top of what there is."""

    def change(condition: Condition, result: Result) -> None:
        if condition.variant == variant:
            result["metrics"]["server_cpu_ms"] += ms * result["metrics"]["messages"]

    return change


def erratic(condition: Condition, result: Result) -> None:
    """The server's CPU is busy with something else in every other run."""
    result["metrics"]["server_cpu_ms"] += 20_000 * result["repeat"]


def cheap_polls(condition: Condition, result: Result) -> None:
    """Polling costs next to nothing where messages are rare."""
    if condition.transport == "short_poll" and condition.rate_hz < 1:
        result["metrics"]["up_request_head_bytes"] = 1.0
        result["metrics"]["requests"] = 0.1 * result["metrics"]["deliveries"]
        result["metrics"]["empty"] = 0.0


def lost(condition: Condition, result: Result) -> None:
    """One message is lost in one run, which is suspect for it."""
    if condition.variant == "socket_io upgrade" and condition.upgrades == "cut" and result["repeat"]:
        result["metrics"]["missing"] += 1
        result["metrics"]["deliveries"] -= 1
        result["suspect"] = ["1 messages did not arrive"]


def twice(condition: Condition, result: Result) -> None:
    if condition.variant == "socket_io upgrade" and condition.upgrades == "refuse":
        result["metrics"]["duplicates"] = 3


def leaky(condition: Condition, result: Result) -> None:
    """The network lets a WebSocket through that it should not."""
    if condition.undeliverable:
        result["metrics"]["deliveries"] = 1


def at_no_cost(condition: Condition, result: Result) -> None:
    """Socket.IO costs what WebSocket does, and its fallback no more."""
    plain = result["metrics"]
    if condition.variant == "socket_io upgrade":
        plain["setup_bytes"] = 710.0
        if condition.measures == "memory":
            weigh(result, 40.0)
        if condition.measures == "cpu":
            plain["server_cpu_ms"] -= 0.03 * plain["messages"]
        plain["up_request_head_bytes"] = 0.0


def suspected(transport: str) -> Change:
    def change(condition: Condition, result: Result) -> None:
        if condition.transport == transport:
            result["suspect"] = ["the publisher was late"]

    return change


def every(*changes: Change) -> Change:
    def change(condition: Condition, result: Result) -> None:
        for one in changes:
            one(condition, result)

    return change


WASTEFUL_BYTES = times("sse", 10.0, "down_other_bytes", "bytes_down")

CASES: list[tuple[int, str, Change, str]] = [
    (
        1,
        FAILS,
        nothing,
        "100 deliveries took no further request, and 95% of them arrived within 27 ms, which feels immediate",
    ),
    (1, CONDITIONALLY, late("sse", 100.1), "News arrives without a request, but not in real time."),
    (
        1,
        CONDITIONALLY,
        asks("sse"),
        "took 1 request for each, and 95% of them arrived within 27 ms, which feels immediate",
    ),
    (1, HOLDS, every(asks("sse"), late("sse", 500.0)), "The reader has to ask, and then waits"),
    (1, UNDECIDED, suspected("sse"), "Every run of SSE at 1/s, 25 ms each way, 5 raw readers is suspect"),
    (
        2,
        CONDITIONALLY,
        nothing,
        "A one-second poll is noticeable, but not distracting. When polled every second, half of the messages take",
    ),
    (
        2,
        CONDITIONALLY,
        late("short_poll", 101.0, pause_s=1.0),
        "0% arrive within 100 ms, which feels immediate, and 100%",
    ),
    (2, CONDITIONALLY, late("short_poll", 40.0, pause_s=0.05), "When polled every 0.05 s, 100% feel immediate, at "),
    (
        2,
        HOLDS,
        late("short_poll", 99.0, pause_s=1.0),
        "Polling every second feels immediate. When polled every second, half",
    ),
    (2, FAILS, late("short_poll", 1001.0, pause_s=1.0), "A one-second poll is late enough to distract."),
    (2, UNDECIDED, mixed, "from 50 ms to 150 ms, includes a limit"),
    (2, UNDECIDED, suspected("websocket"), "Every run of WebSocket at 1/s, 25 ms each way, 5 raw readers is suspect"),
    (3, CONDITIONALLY, nothing, "wasteful when news is rare, and not when it is frequent"),
    (
        3,
        HOLDS,
        times("short_poll", 100.0, "up_request_head_bytes", rate_hz=100.0),
        "wasteful whether news is rare or frequent",
    ),
    (
        3,
        FAILS,
        cheap_polls,
        "wasteful neither when news is rare nor when it is frequent. At 0.2/s, 0% of the responses are empty",
    ),
    (
        3,
        UNDECIDED,
        suspected("short_poll"),
        "Every run of Short polling, 1 s at 0.2/s, 25 ms each way, 5 raw readers is suspect",
    ),
    (4, FAILS, nothing, "On every measure, SSE costs at most twice as much as WebSocket."),
    (
        4,
        CONDITIONALLY,
        heavy("sse", 81.0),
        "SSE costs more than 2 times WebSocket's server memory per reader, but not its bytes per message, bytes of",
    ),
    (
        4,
        HOLDS,
        every(WASTEFUL_BYTES, heavy("sse", 81.0), busy("sse", 0.2)),
        "On every measure, SSE costs more than 2 times as much as WebSocket.",
    ),
    (4, UNDECIDED, erratic, "leave open whether it costs more than 2 times the server CPU per message"),
    (5, CONDITIONALLY, nothing, "with 4 B of frame header before each"),
    (5, HOLDS, times("websocket", 0.0, "down_frame_bytes"), "over plain TCP"),
    (5, FAILS, asks("websocket"), "100 deliveries took 1 request for each"),
    (5, FAILS, late("websocket", 101.0), "The server cannot speak first in real time."),
    (5, UNDECIDED, suspected("websocket"), "is suspect"),
    (6, CONDITIONALLY, nothing, "The comfort costs 4.5 times the set-up bytes of a plain WebSocket"),
    (
        6,
        CONDITIONALLY,
        every(at_no_cost, heavy("socket_io websocket", 200.0)),
        "5.0 times the server memory per reader",
    ),
    (6, HOLDS, at_no_cost, "nothing costs more than 2 times as much"),
    (6, FAILS, lost, "Socket.IO lost 1 of 200 deliveries, and delivered 0 more than once"),
    (6, FAILS, twice, "Socket.IO lost 0 of 200 deliveries, and delivered 6 more than once"),
    (6, UNDECIDED, leaky, "A plain WebSocket got through where none should"),
]


@pytest.mark.parametrize(("number", "word", "change", "said"), CASES)
def test_the_numbers_make_the_verdict_and_its_words(number: int, word: str, change: Change, said: str) -> None:
    verdict = said_of(number, change)
    assert (verdict.word, said in verdict.sentence) == (word, True), verdict


NEEDED: dict[int, Callable[[Condition], bool]] = {
    1: lambda condition: condition.variant == "long_poll",
    2: lambda condition: condition.pause_s == 0.1,
    3: lambda condition: condition.rate_hz == 0.2,
    4: lambda condition: not condition.rate_hz,
    5: lambda condition: condition.headers == "browser",
    6: lambda condition: condition.upgrades == "cut",
}


@pytest.mark.parametrize("number", NEEDED)
def test_what_is_not_measured_is_not_decided(number: int) -> None:
    verdict = said_of(number, gone=NEEDED[number])
    assert (verdict.word, verdict.numbers) == (UNDECIDED, ())
    assert "It lacks " in verdict.sentence
    assert "`make compare`, without QUICK and ONLY, measures them all" in verdict.sentence


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (
            lambda c: c.measures == "cpu" and c.variant == "sse",
            "a response or a push costs a busy server's CPU",
        ),
        (lambda c: c.measures == "memory", "SSE in silence, 0 ms each way, 1500 raw readers"),
    ],
)
def test_a_cost_that_is_not_measured_decides_nothing(gone: Callable[[Condition], bool], said: str) -> None:
    verdict = said_of(4, gone=gone)
    assert verdict.word == UNDECIDED
    assert said in verdict.sentence


def test_sentences_follow_the_numbers() -> None:
    before = said_of(4)
    assert "1.2 times the bytes per message, 0.7 times the bytes of a silent minute" in before.sentence
    assert (
        "1.0 times the server CPU per message and 1.0 times the server memory per reader of WebSocket"
        in before.sentence
    )
    after = said_of(4, every(busy("sse", 0.05), heavy("sse", 20.0)))
    assert (
        "2.4 times the server CPU per message and 0.5 times the server memory per reader of WebSocket" in after.sentence
    )


def test_the_rates_at_which_polling_costs_more_or_less_are_named() -> None:
    rates = dict(said_of(3).numbers)
    assert rates["bytes per message over 2 times WebSocket's"] == "at 0.2/s and 1/s"
    assert rates["bytes per message below WebSocket's"] == "at 100/s"
    assert rates["bytes per message below SSE's"] == "at 20/s and 100/s"
    dear = dict(said_of(3, times("short_poll", 1_000.0, "up_request_head_bytes")).numbers)
    assert dear["bytes per message below SSE's"] == "at no measured rate"


def test_the_page_and_the_report_get_plain_data() -> None:
    content = claims.content(inventing.everything())
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["measured_utc"] == "2026-01-02T03:04:05Z"
    assert [claim["number"] for claim in content["claims"]] == [1, 2, 3, 4, 5, 6]
    for claim in content["claims"]:
        assert claim["verdict"] in WORDS
        assert claim["charts"]
        assert all(claim["how"])
        assert "nan" not in f"{claim['sentence']}{claim['numbers']}"


@pytest.mark.parametrize(
    ("one", "other", "beyond"),
    [
        (Cost(20.0), Cost(10.0), False),
        (Cost(20.1), Cost(10.0), True),
        (Cost(30.0, 9.0), Cost(10.0), True),
        (Cost(30.0, 11.0), Cost(10.0), None),
        (Cost(15.0, 6.0), Cost(10.0), None),
        (Cost(19.0), Cost(10.0, 1.0), None),
        (Cost(18.0), Cost(10.0, 1.0), False),
        (Cost(21.0), Cost(10.0, 1.0), None),
        (Cost(5.0), Cost(0.0), True),
    ],
)
def test_tolerance_takes_the_intervals_into_account(one: Cost, other: Cost, beyond: bool | None) -> None:
    assert TOLERANCE == 2
    assert Comparison("bytes", one, other).beyond is beyond


def test_between_sessions_the_ratios_decide_and_not_the_costs() -> None:
    """Each session is slow or fast for both sides: the costs differ widely, and the ratio hardly at all."""
    machine = {"s0": 1.0, "s1": 1.5, "s2": 0.7}
    one, other = (
        Cost(
            value,
            5 * value,
            {name: value * factor * off for (name, factor), off in zip(machine.items(), offs, strict=True)},
        )
        for value, offs in ((3.0, (1.0, 1.01, 0.99)), (1.0, (1.0, 1.0, 1.0)))
    )
    assert Comparison("CPU", Cost(one.value, one.half), Cost(other.value, other.half)).beyond is None
    assert Comparison("CPU", one, other).beyond is True
    assert Comparison("CPU", other, one).beyond is False
    unsure = Cost(2.0, math.nan, {"s0": 2.0, "s1": 3.0 * 1.5, "s2": 1.4 * 0.7})
    assert Comparison("CPU", unsure, other).beyond is None


def test_a_session_with_nothing_but_suspect_runs_is_left_out_of_ratios() -> None:
    condition = by_variant(rate_hz=1.0, one_way_delay_ms=25.0)["sse"]
    parts = []
    for session in ("s0", "s1", "s2"):
        made = a_table(suspected("sse") if session == "s1" else nothing, lambda one: one == condition)
        parts.append([named(frame, session) for frame in (made.runs, made.deliveries)])
    whole = table(*(pd.concat(frames) for frames in zip(*parts, strict=True)))
    (row,) = (row for _, row in whole.summary.iterrows())
    assert cost(whole, row, "bytes_per_message").sessions.keys() == {"s0", "s2"}


def test_one_that_is_surely_beyond_is_enough_and_one_that_may_be_is_too_much() -> None:
    less, more = (Comparison("bytes", Cost(value), Cost(1.0)) for value in (1.0, 3.0))
    maybe = Comparison("CPU", Cost(2.0, 1.0), Cost(1.0))
    assert any_beyond([less, maybe, more])
    assert not any_beyond([less, less])
    with pytest.raises(Undecided, match="more than 2 times the CPU:") as undecided:
        any_beyond([less, maybe])
    assert [what for what, _ in undecided.value.numbers] == [less.what, maybe.what]  # all are shown


def test_comparisons_are_said_as_they_are() -> None:
    assert Comparison("bytes", Cost(30.0), Cost(20.0)).words == "1.5 times the bytes"
    number = Comparison("bytes", Cost(30.0, 1.0), Cost(20.0)).number
    assert number.replace("\u00a0", " ") == "30 B ± 1 B against 20 B: 1.5 times"
