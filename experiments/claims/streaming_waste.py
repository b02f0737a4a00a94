"""Judged by SSE, today's standard for it, against WebSocket: bytes, a busy server's CPU time, its memory, and silence.

If the claim held, a response that stays open would waste as polling does: it would cost far more than WebSocket does
for the same messages. It holds if all of these costs are beyond tolerance, with a condition if some are, and not if
none is. The numbers also say what polling costs for the same messages. Raw clients, a browser's headers.
"""

from experiments.analysis.tables import Table
from experiments.claims.verdict import (
    CONDITIONALLY,
    FAILS,
    HOLDS,
    TOLERANCE,
    Comparison,
    Cost,
    Verdict,
    by_variant,
    certain,
    cost,
    cpu_ms,
    memory_kb,
    trusted,
)
from experiments.report import words

TITLE = "An open response is a waste, too"
QUOTATION = (
    "长连接：客户端只请求一次，但是服务器会将连接保持，不会返回结果……服务器有了新数据，就将数据发回来，"
    "又有了新数据，就将数据发回来，而一直保持挂起状态。这种做法的也造成了大量的性能浪费。"
)
ENGLISH = (
    "A connection that is kept open: the client asks once, the server sends data whenever there is some, "
    "and never ends its response. This wastes a great deal, too."
)
IF_IT_HELD = "An open response would cost far more than a WebSocket that delivers the same messages."
CHARTS = ["overhead", "connections", "load"]


def judge(table: Table) -> Verdict:
    """What SSE costs against WebSocket, in each respect."""
    talk, silence = (by_variant(rate_hz=rate_hz, headers="browser") for rate_hz in (1.0, 0.0))
    variants = ("sse", "websocket", "short_poll")
    sse, websocket, poll = (row for _, row in trusted(table, [talk[variant] for variant in variants]).iterrows())
    silent = dict(
        zip(variants, trusted(table, [silence[variant] for variant in variants]).bytes_per_minute, strict=True)
    )
    comparisons = [
        Comparison(
            "bytes per message", cost(table, sse, "bytes_per_message"), cost(table, websocket, "bytes_per_message")
        ),
        Comparison("bytes of a silent minute", Cost(silent["sse"]), Cost(silent["websocket"])),
        Comparison("server CPU per message", cpu_ms(table, "sse"), cpu_ms(table, "websocket"), words.cpu),
        Comparison("server memory per reader", memory_kb(table, "sse"), memory_kb(table, "websocket"), words.kilobytes),
    ]
    more = [comparison for comparison in comparisons if comparison.beyond]
    less = [comparison for comparison in comparisons if comparison.beyond is False]
    if not (more and less):
        certain(comparisons)
    costly, moderate = (words.listed([comparison.what for comparison in which]) for which in (more, less))
    if more and less:
        word, lesson = (
            CONDITIONALLY,
            f"SSE costs more than {TOLERANCE:g} times WebSocket's {costly}, but not its {moderate}.",
        )
    elif more:
        word, lesson = HOLDS, f"On every measure, SSE costs more than {TOLERANCE:g} times as much as WebSocket."
    else:
        word, lesson = FAILS, f"On every measure, SSE costs at most {words.twice(TOLERANCE)} as much as WebSocket."
    return Verdict(
        word,
        lesson,
        f"SSE costs {words.listed([c.words for c in comparisons])} of WebSocket. Polling every second costs "
        f"{words.times(poll.bytes_per_message / sse.bytes_per_message)} times SSE's bytes per message, and "
        f"{words.times(silent['short_poll'] / silent['sse'])} times its bytes of a silent minute. Bytes: one message "
        f"per second on loopback, a browser's headers; CPU: at load, a task per reader; memory: the slope over open "
        f"connections.",
        [
            *((c.what, c.number) for c in comparisons),
            ("set-up, once", f"{words.size(sse.setup_bytes)} against {words.size(websocket.setup_bytes)}"),
            ("short polling: bytes per message", words.size(poll.bytes_per_message)),
            ("short polling: bytes of a silent minute", words.size(silent["short_poll"])),
        ],
    )
