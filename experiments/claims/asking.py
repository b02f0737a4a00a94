"""Judged by SSE, which is HTTP: one request, sent before there is any news, and a response that does not end.

If the claim held, every message would cost its reader a request, or be as late as the next one. So two things are
looked at: how many requests there were while messages came, and within what time 95% of the messages arrived. Real time
means within the limit that feels immediate. If only one of the two contradicts the claim, it holds with a condition.
"""

from experiments.analysis.tables import Table
from experiments.claims.verdict import CONDITIONALLY, FAILS, HOLDS, IMMEDIATE_MS, Verdict, by_variant, named, trusted
from experiments.report import words

TITLE = "Only a request brings news"
QUOTATION = (
    "服务器无法将这个事件的信息实时主动通知它的客户端。"
    "只有在客户端查询服务器的当前状态的时候，所发生事件的信息才会从服务器传递到客户端。"
)
ENGLISH = (
    "Over HTTP, a server cannot tell its client on its own, in real time, that something has happened. "
    "The news gets there only when the client asks for it."
)
IF_IT_HELD = "Each message would cost a request, or wait for the next one."
CHARTS = ["interval"]


def judge(table: Table) -> Verdict:
    """Whether SSE's readers get news without a request, and in time."""
    far = by_variant(rate_hz=1.0, one_way_delay_ms=25.0)
    rows = trusted(table, [far[variant] for variant in ("sse", "short_poll", "long_poll", "websocket")])
    sse = rows.iloc[0]
    unasked, prompt = not sse.requests, bool(sse.delay_p95_ms <= IMMEDIATE_MS)
    asked = "no further request" if unasked else f"{words.count(sse.requests_per_message, 'request')} for each"
    felt = "feels immediate" if prompt else "feels late"
    lesson = {
        (True, True): "HTTP only answers requests, but a response need not end.",
        (True, False): "News arrives without a request, but not in real time.",
        (False, True): "News arrives in real time, but only for those who keep asking.",
        (False, False): "The reader has to ask, and then waits.",
    }[unasked, prompt]
    return Verdict(
        FAILS if unasked and prompt else CONDITIONALLY if unasked or prompt else HOLDS,
        lesson,
        f"Once an SSE stream was open, {sse.deliveries} deliveries took {asked}, and 95% of them arrived within "
        f"{words.seconds(sse.delay_p95_ms)}, which {felt} ({named(far['sse'])}).",
        [
            *(
                (
                    words.title(row.variant, row.pause_s),
                    f"{words.count(row.requests_per_message, 'request')} per message; "
                    f"mean {words.seconds(row.delay_mean_ms)}, 95% within {words.seconds(row.delay_p95_ms)}",
                )
                for row in rows.itertuples()
            ),
            ("of that, the emulated network", words.seconds(float(sse.one_way_delay_ms))),
        ],
    )
