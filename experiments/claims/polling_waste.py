"""Judged against WebSocket, which the note recommends: bytes and a busy server's CPU time, per delivered message.

What is beyond tolerance is waste, if it is so for every value within the intervals. Two of the measured rates are
looked at: where messages are rarest, and where they are most frequent. The claim holds if there is waste at both, with
a condition if only at one, and not if at neither. Both sides carry the bytes and the requests. The clients' CPU time
is that of their libraries, and is not judged. The server's is that of a task per reader, with every poll through
uvicorn: neither the hub nor the shortcut for polls is in it. A response's CPU is measured with few messages in it:
where each response carries many, it is a lower bound.
"""

from experiments.analysis.tables import Table, of
from experiments.claims.verdict import (
    CONDITIONALLY,
    FAILS,
    HOLDS,
    TOLERANCE,
    Comparison,
    Cost,
    Verdict,
    any_beyond,
    by_variant,
    cost,
    cpu_ms,
    trusted,
)
from experiments.questions import rate
from experiments.report import words

TITLE = "Polling is a waste"
QUOTATION = "这种做法是无奈之举，实际上对服务器、客户端双方都造成了大量的性能浪费。"
ENGLISH = "Polling is a makeshift, and in fact wastes a great deal of performance on both the server and the client."
IF_IT_HELD = "However often messages come, polling would cost far more than pushing them."
CHARTS = ["rate", "load"]


def judge(table: Table) -> Verdict:
    """What polling costs against pushing, where messages are rarest and where they are most frequent."""
    rare_hz, often_hz = min(rate.RATES_HZ), max(rate.RATES_HZ)
    rarely, often = comparisons(table, rare_hz), comparisons(table, often_hz)
    (empty,) = trusted(table, [by_variant(rate_hz=rare_hz, one_way_delay_ms=25.0)["short_poll"]]).empty_share
    waste = any_beyond(rarely), any_beyond(often)
    lesson = {
        (True, True): "It is wasteful whether news is rare or frequent.",
        (True, False): "It is wasteful when news is rare, and not when it is frequent.",
        (False, True): "It is wasteful when news is frequent, and not when it is rare.",
        (False, False): "It is wasteful neither when news is rare nor when it is frequent.",
    }[waste]
    return Verdict(
        HOLDS if all(waste) else CONDITIONALLY if any(waste) else FAILS,
        lesson,
        f"At {words.rate(rare_hz)}, {empty:.0%} of the responses are empty, and polling every second costs "
        f"{words.listed([c.words for c in rarely])} of WebSocket; at {words.rate(often_hz)}, "
        f"{words.listed([c.words for c in often])}. Bytes: 25{words.NARROW}ms each way, raw clients, a library's "
        f"headers; CPU: at load, a task per reader.",
        [
            *((f"{c.what}, {words.rate(rare_hz)}", c.number) for c in rarely),
            *((f"{c.what}, {words.rate(often_hz)}", c.number) for c in often),
            *((f"bytes per message {what}", rates) for what, rates in byte_limits(table).items()),
        ],
    )


def comparisons(table: Table, rate_hz: float) -> list[Comparison]:
    """Polling every second against WebSocket, at one rate."""
    far = by_variant(rate_hz=rate_hz, one_way_delay_ms=25.0)
    poll, push = (row for _, row in trusted(table, [far["short_poll"], far["websocket"]]).iterrows())
    response, requests = cpu_ms(table, "short_poll"), float(poll.requests_per_message)
    found = {session: ms * requests for session, ms in response.sessions.items()}
    per_message = Cost(response.value * requests, response.half * requests, found)
    return [
        Comparison("bytes per message", cost(table, poll, "bytes_per_message"), cost(table, push, "bytes_per_message")),
        Comparison(
            "server CPU per message",
            per_message,
            cpu_ms(table, "websocket"),
            words.cpu,
        ),
    ]


def byte_limits(table: Table) -> dict[str, str]:
    """The measured rates at which polling every second moves more, or fewer, bytes per message than pushing."""
    rows = of(rate.CONDITIONS, table.summary)
    by_rate = rows.pivot_table(index="rate_hz", columns="variant", values="bytes_per_message")
    where = {
        f"over {TOLERANCE:g} times WebSocket's": by_rate.short_poll > TOLERANCE * by_rate.websocket,
        "below WebSocket's": by_rate.short_poll < by_rate.websocket,
        "below SSE's": by_rate.short_poll < by_rate.sse,
    }
    rates = {what: [words.rate(rate_hz) for rate_hz in by_rate.index[there]] for what, there in where.items()}
    return {what: f"at {words.listed(its)}" if its else "at no measured rate" for what, its in rates.items()}
