"""Judged by what crosses the socket: the set-up, and what surrounds each message after it.

The server can speak first if there is no request while messages come, and 95% of them arrive within the time that
feels immediate; otherwise the claim does not hold. What follows the handshake is plain TCP if nothing surrounds a
message. If there are frame headers, the claim holds with a condition: what follows is WebSocket's own protocol on top
of TCP, which carries a stream of bytes, not messages (RFC 6455, section 5.2). That both sides may speak at once is not
measured, because these readers only listen; the page shows it.
"""

from experiments.analysis.tables import Table
from experiments.claims.verdict import CONDITIONALLY, FAILS, HOLDS, IMMEDIATE_MS, Verdict, by_variant, trusted
from experiments.report import words

TITLE = "WebSocket: a handshake, then TCP"
QUOTATION = (
    "WebSocket协议能够让浏览器和服务器全双工实时通信，互相的，服务器也能主动通知客户端了。……利用HTTP请求产生握手，"
    "HTTP头部中含有WebSocket协议的请求，所以握手之后，二者转用TCP协议进行交流（QQ的协议）。"
)
ENGLISH = (
    "WebSocket lets browser and server talk in both directions, in real time, and the server can speak first. "
    "It begins with an HTTP request, the handshake; after that, the two continue over TCP."
)
IF_IT_HELD = "After one HTTP handshake there would be no more requests, and nothing around a message but TCP."
CHARTS = ["overhead", "interval"]


def judge(table: Table) -> Verdict:
    """Whether the server speaks first, and in what."""
    far, script, browser = (
        row
        for _, row in trusted(
            table,
            [by_variant(**fields)["websocket"] for fields in ({"one_way_delay_ms": 25.0}, {}, {"headers": "browser"})],
        ).iterrows()
    )
    header_bytes = script.down_frame_bytes_per_message
    if far.requests or far.delay_p95_ms > IMMEDIATE_MS:
        word, lesson = FAILS, "The server cannot speak first in real time."
    elif header_bytes:
        word, lesson = CONDITIONALLY, "The server speaks first, but in frames: TCP carries bytes, not messages."
    else:
        word, lesson = HOLDS, "The server speaks first, over plain TCP."
    asked = f"{words.count(far.requests_per_message, 'request')} for each" if far.requests else "no further request"
    return Verdict(
        word,
        lesson,
        f"After a set-up of {words.size(browser.setup_bytes)} with a browser's headers, {far.deliveries} deliveries "
        f"took {asked}, and 95% of them arrived within {words.seconds(far.delay_p95_ms)}, with "
        f"{words.size(header_bytes)} of frame header before each (one message per second, "
        f"{far.one_way_delay_ms:g}{words.NARROW}ms each way, raw clients).",
        [
            ("set-up, a browser's headers", words.size(browser.setup_bytes)),
            ("set-up, a script's headers", words.size(script.setup_bytes)),
            ("after it, per message", words.count(far.requests_per_message, "request")),
            ("frame header per message", words.size(header_bytes)),
            ("a message with everything around it", words.size(script.bytes_per_message)),
            ("mean delay", words.seconds(far.delay_mean_ms)),
            ("of that, the emulated network", words.seconds(float(far.one_way_delay_ms))),
            ("both directions at once", "not measured; the page shows it"),
        ],
    )
