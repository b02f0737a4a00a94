"""Judged by the median delay of polling every second, against the two limits of perception.

Up to the first limit, a delay feels immediate: the claim holds. Up to the second, it is noticeable but does not
interrupt one's flow of thought: the claim holds with a condition, namely that one calls this real time. Beyond the
second, it does not hold. If the interval of the median includes a limit, nothing is decided. The limits are for
responses to one's own actions; of news from others, one hardly knows that it is late. The numbers also say what
shorter intervals give, and cost.
"""

import pandas as pd

from experiments.analysis.tables import Table, of
from experiments.claims.verdict import (
    CONDITIONALLY,
    FAILS,
    FLOW_MS,
    HOLDS,
    IMMEDIATE_MS,
    Undecided,
    Verdict,
    by_variant,
    measured,
    trusted,
)
from experiments.design import Condition
from experiments.questions.interval import PAUSES_S
from experiments.report import words

TITLE = "Polling every second feels real-time"
QUOTATION = "只要轮询速度足够快，例如1秒，就能给人造成交互是实时进行的印象。"
ENGLISH = "If polling is fast enough, say every second, it gives people the impression of real time."
IF_IT_HELD = "With a poll every second, messages would typically arrive before anybody notices a delay."
CHARTS = ["interval"]


def judge(table: Table) -> Verdict:
    """Where the median delay lies, and what a shorter interval would give."""
    far = by_variant(one_way_delay_ms=25.0)
    polls = [
        Condition("short_poll", pause_s=pause_s, one_way_delay_ms=25.0, client="raw")
        for pause_s in PAUSES_S
        if pause_s <= 1
    ]
    second, push = (row for _, row in trusted(table, [far["short_poll"], far["websocket"]]).iterrows())
    rows = measured(table, polls)
    trusted_rows = rows[~rows.suspect].set_index("pause_s")
    immediate = {p.pause_s: share_within(table, p, IMMEDIATE_MS) for p in polls if p.pause_s in trusted_rows.index}
    fastest, fast = min(immediate), trusted_rows.loc[min(immediate)]
    low, median, high = (second[name] for name in ("delay_p50_low_ms", "delay_p50_ms", "delay_p50_high_ms"))
    if any(low <= limit_ms < high for limit_ms in (IMMEDIATE_MS, FLOW_MS)):
        raise Undecided(
            f"The interval of the median delay, from {words.seconds(low)} to {words.seconds(high)}, includes a limit; "
            "more repeats (`make compare FULL=1`), or more sessions where there are several, make it narrower."
        )
    if median <= IMMEDIATE_MS:
        word, lesson = HOLDS, "Polling every second feels immediate."
    elif median <= FLOW_MS:
        word, lesson = CONDITIONALLY, "A one-second poll is noticeable, but not distracting."
    else:
        word, lesson = FAILS, "A one-second poll is late enough to distract."
    return Verdict(
        word,
        lesson,
        f"When polled every second, half of the messages take longer than {words.seconds(median)}; "
        f"{immediate[1.0]:.0%} arrive within {words.seconds(IMMEDIATE_MS)}, which feels immediate, and "
        f"{share_within(table, polls[-1], FLOW_MS):.0%} within {words.seconds(FLOW_MS)}. When polled every "
        f"{fastest:g}{words.NARROW}s, {immediate[fastest]:.0%} feel immediate, at "
        f"{words.count(fast.requests_per_message, 'request')} per message and "
        f"{words.times(fast.bytes_per_message / push.bytes_per_message)} times WebSocket's bytes. All at one message "
        f"per second with {far['websocket'].one_way_delay_ms:g}{words.NARROW}ms each way, raw clients.",
        [
            *(
                (f"every {pause_s:g}{words.NARROW}s: within {words.seconds(IMMEDIATE_MS)}", f"{share:.0%}")
                for pause_s, share in sorted(immediate.items(), reverse=True)
            ),
            (f"95% within {words.seconds(IMMEDIATE_MS)}, by the formula", longest_pause(second)),
            (f"every 1{words.NARROW}s: mean delay", words.seconds(second.delay_mean_ms)),
            ("WebSocket: mean delay", words.seconds(push.delay_mean_ms)),
        ],
    )


def share_within(table: Table, condition: Condition, limit_ms: float) -> float:
    """The share of a condition's messages that took at most `limit_ms`, without suspect runs; a missing one did not."""
    runs = of([condition], table.runs)
    its = table.deliveries[table.deliveries.run.isin(runs[~runs.suspect].run)]
    return float((its.received_ms - its.due_ms <= limit_ms).mean())


def longest_pause(second: "pd.Series[float]") -> str:
    """With which pause 95% of the messages are in time: they wait for at most so much of the gap, then travel down."""
    gap_s = (IMMEDIATE_MS - second.one_way_delay_ms) / 1000 / 0.95
    pause_s = gap_s - (second.gap_s - 1.0)  # the rest of the measured cycle is the round trip and processing
    return f"up to every {pause_s:.2g}{words.NARROW}s" if pause_s > 0 else "never: the network is too slow"
