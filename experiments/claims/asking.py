"""Judged by SSE, which is HTTP: one question, asked before there is any news, and an answer that does not end.

If the claim held, every message would cost its reader a question, or come as late as the next one. So what is counted
is how many requests there were while messages came, and within which time 95% of the messages arrived; in real time
is up to the limit that feels immediate. Either of the two alone is half of the claim: it holds with a condition.
"""

from experiments.analysis.tables import Table
from experiments.claims.verdict import CONDITIONALLY, FAILS, HOLDS, IMMEDIATE_MS, Verdict, by_variant, trusted
from experiments.report import words

TITLE = "Only asking delivers"
QUOTATION = (
    "服务器无法将这个事件的信息实时主动通知它的客户端。"
    "只有在客户端查询服务器的当前状态的时候，所发生事件的信息才会从服务器传递到客户端。"
)
ENGLISH = (
    "Over HTTP, a server cannot tell its client in real time, by itself, that something has happened. "
    "The news gets there only when the client asks."
)
IF_IT_HELD = "Each message would cost a request, or wait for the next one."
CHARTS = ["interval"]


def judge(table: Table) -> Verdict:
    """Whether SSE's readers get news unasked, and in time."""
    far = by_variant(rate_hz=1.0, one_way_delay_ms=25.0)
    rows = trusted(table, [far[variant] for variant in ("sse", "short_poll", "long_poll", "websocket")])
    sse = rows.iloc[0]
    unasked, prompt = not sse.requests, bool(sse.delay_p95_ms <= IMMEDIATE_MS)
    asked = "no further request" if unasked else f"{words.count(sse.requests_per_message, 'request')} for each"
    felt = "feels immediate" if prompt else "is felt as late"
    lesson = {
        (True, True): "HTTP answers only who asks, but an answer can outlast the question.",
        (True, False): "News comes unasked, but not in real time.",
        (False, True): "News comes in real time, but only to those who ask.",
        (False, False): "The reader has to ask, and waits.",
    }[unasked, prompt]
    return Verdict(
        FAILS if unasked and prompt else CONDITIONALLY if unasked or prompt else HOLDS,
        lesson,
        f"Once an SSE stream was open, {sse.deliveries} deliveries were made with {asked}, 95% of them within "
        f"{words.seconds(sse.delay_p95_ms)}, which {felt}.",
        [
            *(
                (
                    words.title(row.variant, row.pause_s),
                    f"{words.count(row.requests_per_message, 'request')} per message; "
                    f"mean {words.seconds(row.delay_mean_ms)}, 95% within {words.seconds(row.delay_p95_ms)}",
                )
                for row in rows.itertuples()
            ),
            ("the network's share, emulated", words.seconds(float(sse.one_way_delay_ms))),
        ],
    )
