"""Judged by the share of messages that arrive within the limit of perception that feels immediate.

The claim holds if most of them, more than half, do so when asked every second. It holds with a condition if they
do not then, but do with a shorter pause that was measured too: that pause is what fast enough has to mean. This is
the kind reading: the other half may still be late. The second limit, up to which one's thoughts don't wander, stands
beside it, and so does what the shorter pause costs.
"""

import pandas as pd

from experiments import style
from experiments.claims.verdict import CONDITIONALLY, FAILS, FLOW_MS, HOLDS, IMMEDIATE_MS, Verdict, by_way, trusted
from experiments.design import Condition
from experiments.questions.interval import PAUSES_S
from experiments.questions.overhead import count
from experiments.tables import Table, of

TITLE = "Every second feels real-time"
QUOTATION = "只要轮询速度足够快，例如1秒，就能给人造成交互是实时进行的印象。"
ENGLISH = "If only one polls fast enough, say every second, people get the impression of real time."
IF_IT_HELD = "Asked every second, most messages would arrive before anybody notices a delay."
CHARTS = ["interval"]

MOST = 0.5


def judge(table: Table) -> Verdict:
    polls = [
        Condition("short_poll", pause_s=pause_s, one_way_delay_ms=25.0, client="raw")
        for pause_s in PAUSES_S
        if pause_s <= 1
    ]
    rows = trusted(table, [*polls, by_way(one_way_delay_ms=25.0)["websocket"]])
    push, by_pause = rows.iloc[-1], rows.iloc[:-1].set_index("pause_s")
    immediate = {poll.pause_s: share_within(table, poll, IMMEDIATE_MS) for poll in polls}
    enough = [pause_s for pause_s, share in immediate.items() if share > MOST]
    slowest = max(enough, default=min(immediate))
    second, fast = by_pause.loc[1.0], by_pause.loc[slowest]
    if slowest == 1.0:
        word, lesson = HOLDS, "Every second is fast enough."
    elif enough:
        word, lesson = CONDITIONALLY, f"Fast enough is every {slowest:g}{style.NARROW}s, and not every second."
    else:
        word, lesson = FAILS, "Neither every second nor any shorter pause is fast enough."
    return Verdict(
        word,
        lesson,
        f"Asked every second, {immediate[1.0]:.0%} of the messages arrive within {style.seconds(IMMEDIATE_MS)}, which "
        f"feels immediate, and {share_within(table, polls[-1], FLOW_MS):.0%} within {style.seconds(FLOW_MS)}, which is "
        f"noticed. Asked every {slowest:g}{style.NARROW}s, {immediate[slowest]:.0%} feel immediate, at "
        f"{count(fast.requests_per_message, 'request')} per message and "
        f"{style.times(fast.bytes_per_message / push.bytes_per_message)} times WebSocket's bytes.",
        [
            ("every 1\u00a0s: mean delay", style.seconds(second.delay_mean_ms)),
            ("every 1\u00a0s: 95% within", style.seconds(second.delay_p95_ms)),
            *(
                (f"every {pause_s:g}{style.NARROW}s: within {style.seconds(IMMEDIATE_MS)}", f"{share:.0%}")
                for pause_s, share in sorted(immediate.items(), reverse=True)
            ),
            ("most feel immediate, by the formula", longest_pause(second)),
            ("WebSocket: mean delay", style.seconds(push.delay_mean_ms)),
        ],
    )


def share_within(table: Table, condition: Condition, limit_ms: float) -> float:
    """The share of a condition's messages, of its valid runs, that took at most `limit_ms`; a missing one did not."""
    runs = of([condition], table.runs)
    its = table.deliveries[table.deliveries.run.isin(runs[runs.valid].run)]
    return float((its.received_ms - its.due_ms <= limit_ms).mean())


def longest_pause(second: "pd.Series[float]") -> str:
    """After which half of the messages are in time: those that wait for half of the gap, and then go down."""
    gap_s = 2 * (IMMEDIATE_MS - second.one_way_delay_ms) / 1000
    pause_s = gap_s - (second.gap_s - 1.0)  # the rest of the measured cycle is the round trip and processing
    return f"up to every {pause_s:.2g}{style.NARROW}s" if pause_s > 0 else "never: the way is too long"
