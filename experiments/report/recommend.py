"""Which transport, then? A recommendation for each situation, chosen by what was measured."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from experiments.analysis.tables import Table, of, of_question
from experiments.claims.verdict import TOLERANCE
from experiments.design import Condition, every_variant
from experiments.questions import fallback, latency, overhead, rate
from experiments.report import words


@dataclass(frozen=True)
class Advice:
    """What to use in which situation, and why, in a sentence with the numbers and their conditions."""

    situation: str
    use: str
    why: str


def advice(table: Table) -> list[Advice]:
    """For every situation whose conditions were measured."""
    return [said for situation in SITUATIONS if (said := situation(table)) is not None]


def one_way(table: Table) -> Advice | None:
    """Only the server speaks."""
    rows = measured(table, [*FAR, *BROWSER])
    if rows is None:
        return None
    delay, size = rows.loc[True].delay_mean_ms, rows.loc[False].bytes_per_message
    cheap = delay.sse <= TOLERANCE * delay.websocket and size.sse <= TOLERANCE * size.websocket
    why = (
        f"At {latency.RATE_HZ:g} messages/s with {FAR_MS:g}{words.NARROW}ms each way, SSE delivers in "
        f"{words.seconds(delay.sse)} on average, WebSocket in {words.seconds(delay.websocket)}; at one message per "
        f"second, each costs {words.size(size.sse)} over SSE and {words.size(size.websocket)} over WebSocket. SSE is "
        "plain HTTP, and browsers reconnect and resume by themselves."
    )
    return Advice("Only the server speaks, and messages must arrive at once", "SSE" if cheap else "WebSocket", why)


def both_ways(table: Table) -> Advice | None:
    """Server and clients speak."""
    rows = measured(table, BROWSER)
    if rows is None:
        return None
    near = rows.loc[False]
    why = (
        f"Both directions share one connection, at {words.size(near.bytes_per_message.websocket)} per message received "
        "(one per second). Beside an SSE stream, each message that a browser sends costs a request and a response; a "
        f"poll and its response without any message are {words.size(near.cycle_bytes.short_poll)}."
    )
    return Advice("Clients send often, too", "WebSocket", why)


def rarely(table: Table) -> Advice | None:
    """Messages are rare, and there is time."""
    rows = measured(table, RARE)
    if rows is None:
        return None
    size = rows.loc[False].bytes_per_message
    why = (
        f"At one message per {1 / RARE_HZ:g}{words.NARROW}s, a browser that polls every second moves "
        f"{words.size(size.short_poll)} per message, over SSE {words.size(size.sse)}."
    )
    cheaper = "Short polling" if size.short_poll <= size.sse else "SSE"
    return Advice("Messages are rare, and a second of delay would not matter", cheaper, why)


def often(table: Table) -> Advice | None:
    """Messages are frequent, and there is time."""
    its = of_question(rate.CONDITIONS, table).summary
    if measured(table, rate.CONDITIONS) is None:
        return None
    more, fewer = rate.crossover(its, "sse")
    delay = its.groupby("variant").delay_mean_ms.mean()
    price = (
        f"Its mean delay is {words.seconds(delay.short_poll)} where SSE's is {words.seconds(delay.sse)}, with "
        f"{FAR_MS:g}{words.NARROW}ms each way."
    )
    if fewer > max(rate.RATES_HZ):
        why = f"Up to {more:g} messages/s, polling every second moves more bytes than SSE. {price}"
        return Advice("Messages are frequent, and a second of delay does not matter", "SSE", why)
    why = (
        f"From somewhere between {more:g} and {fewer:g} messages/s on, polling every second moves fewer bytes than "
        f"SSE, and it is the simplest thing that works. {price}"
    )
    return Advice("Messages are frequent, and a second of delay does not matter", "Short polling", why)


def no_streams(table: Table) -> Advice | None:
    """Neither a stream nor an upgrade gets through."""
    rows = measured(table, FAR)
    if rows is None:
        return None
    delay = rows.loc[True].delay_mean_ms
    why = (
        f"At {latency.RATE_HZ:g} messages/s with {FAR_MS:g}{words.NARROW}ms each way, it delivers in "
        f"{words.seconds(delay.long_poll)} on average, polling every second in {words.seconds(delay.short_poll)}; each "
        f"batch of messages costs a request."
    )
    better = "Long polling" if delay.long_poll < delay.short_poll else "Short polling"
    return Advice("Only short requests and responses get through", better, why)


def falls_back(table: Table) -> Advice | None:
    """WebSocket is wanted, and may be blocked."""
    if measured(table, fallback.CONDITIONS) is None:
        return None
    rows = of(fallback.CONDITIONS, table.summary).set_index(["variant", "upgrades"])
    refused, plain = rows.loc[("socket_io upgrade", "refuse")], rows.loc[("websocket", "pass")]
    if refused.missing:
        why = f"Where the upgrade was refused, Socket.IO lost {refused.missing} messages, and plain WebSocket all."
        return Advice("WebSocket may be blocked", "None of these", why)
    why = (
        f"Where the upgrade was refused, all {refused.deliveries} deliveries arrived by long polling, the first after "
        f"{words.seconds(refused.first_message_ms)}. Where it passes, connecting costs "
        f"{words.size(rows.loc[('socket_io upgrade', 'pass')].setup_bytes)}, with plain WebSocket "
        f"{words.size(plain.setup_bytes)} ({plain.one_way_delay_ms:g}{words.NARROW}ms each way, a browser's headers)."
    )
    return Advice("WebSocket may be blocked, and you do not want to write the fallback yourself", "Socket.IO", why)


SITUATIONS: tuple[Callable[[Table], Advice | None], ...] = (one_way, both_ways, rarely, often, no_streams, falls_back)

FAR_MS = max(latency.ONE_WAY_DELAYS_MS)
FAR = [c for c in latency.CONDITIONS if c.one_way_delay_ms == FAR_MS and c.pause_s in (0.0, 1.0)]
BROWSER = every_variant(rate_hz=1.0, client="raw", headers="browser")
RARE_HZ = min(rate_hz for rate_hz in overhead.RATES_HZ if rate_hz)
RARE = every_variant(rate_hz=RARE_HZ, client="raw", headers="browser")


def measured(table: Table, conditions: list[Condition]) -> pd.DataFrame | None:
    """The conditions' rows by (whether the network has a delay, variant); None if any is missing or suspect."""
    rows = of(conditions, table.summary)
    if len(rows) < len(dict.fromkeys(conditions)) or rows.suspect.any():
        return None
    return rows.assign(far=rows.one_way_delay_ms > 0).set_index(["far", "variant"])
