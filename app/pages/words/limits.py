"""The limits page around its experiments: what is surprising about each limit, why it is so, and what to do."""

from typing import NamedTuple

from markupsafe import Markup


class Limit(NamedTuple):
    """What stands beside an experiment."""

    title: str
    surprise: Markup
    why: Markup
    in_practice: list[Markup]


TITLE = "Limits"
HEADING = "Limits of the browser"
SENTENCE = Markup(
    "Four browser limits that surprise most people. Each button runs a real experiment in this browser and shows, "
    "next to it, what reached the server. <kbd>Esc</kbd> stops it."
)
WHY = "Why?"
IN_PRACTICE = "In practice:"

LIMITS = {
    "six": Limit(
        "The seventh connection waits",
        Markup(
            "Over HTTP/1.1 a browser opens at most <strong>six connections to one host</strong>. A stream that never "
            "ends keeps its connection for as long as the page is open. So a seventh stream waits, and so does every "
            "other request to that host, even the one for the next page."
        ),
        Markup(
            "An HTTP/1.1 connection carries one request at a time, and browsers limit themselves to six per host to "
            "go easy on servers. The seventh request is queued <em>in the browser</em>. The server is idle and can’t "
            "help: the request has not reached it. All tabs of a site share the six, so seven tabs are enough."
        ),
        [
            Markup("Serve over HTTP/2 or HTTP/3: one connection then carries many streams, usually 100."),
            Markup("Use one stream for everything, and one for all tabs: a SharedWorker can hold it."),
            Markup("Or use a WebSocket: see the next experiment."),
        ],
    ),
    "sockets": Limit(
        "WebSockets have their own limit",
        Markup(
            "Ten WebSockets to the same host are <strong>all open at the same time</strong>, even while all six HTTP "
            "connections are taken and a fetch can’t get through."
        ),
        Markup(
            "After its handshake a WebSocket no longer speaks HTTP, and its connection is never free for another "
            "request. So browsers count WebSockets separately and allow about 200. Only the handshakes queue: "
            "one at a time per host, says RFC 6455."
        ),
        [
            Markup("On HTTP/1.1, a WebSocket is the safer choice for a live page that people open in many tabs."),
            Markup("Each WebSocket is still a connection that the server has to keep: one per page is enough."),
        ],
    ),
    "hidden": Limit(
        "A hidden tab’s timers slow down",
        Markup(
            "Ask for ten ticks a second, switch to another tab, and you get <strong>about one</strong>. Messages that "
            "the server pushes still arrive at once."
        ),
        Markup(
            "A timer wakes the processor, and a tab that nobody looks at should not drain the battery. Browsers let "
            "timers in hidden tabs fire about once a second; after one to five minutes, Chromium lets them fire only "
            "once a minute. A message from the network is not a timer: it wakes the page by itself."
        ),
        [
            Markup("Short polling every 0.2 s polls once a second in a hidden tab, and later once a minute."),
            Markup("Never count ticks to measure time: read the clock."),
            Markup("Push what has to arrive while nobody is looking, or poll again on <code>visibilitychange</code>."),
        ],
    ),
    "equal": Limit(
        "Identical requests queue",
        Markup(
            "Two long polls request <strong>exactly the same URL</strong>, say from two tabs. The browser holds the "
            "second one back until the first has its response, unless both say <code>no-store</code>."
        ),
        Markup(
            "The first response might do for both, so the cache lets one request through and locks the other out "
            "until it has seen that response. The <code>cache-control: no-store</code> in the response comes too late: "
            "with a long poll, the response is exactly what everybody waits for. Chromium’s cache lock times out "
            "after 20 s."
        ),
        [
            Markup(
                'Say it in the request: <code>fetch(url, { cache: "no-store" })</code>, '
                "as the clients on these pages do."
            ),
            Markup("Or make every URL different: add a name or a random number."),
            Markup("EventSource and WebSocket don’t use the cache."),
        ],
    ),
}
