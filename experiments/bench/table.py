"""From the rounds to Markdown tables: pure. `bench` is what is stored in `bench.json` (see `rounds`)."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.bench import words
from experiments.bench.aims import AIMS, HELD, Aim
from experiments.bench.measures import TEXT
from experiments.bench.opening import Transport
from experiments.bench.servers import SERVERS
from experiments.run.suspect import READERS_BUSY, SATURATED

Results = Mapping[str, Mapping[str, float]]
"""Of one round: the metrics under `MEASURE TRANSPORT SERVER`."""

TITLES: dict[Transport, str] = {
    "websocket": "WebSocket",
    "sse": "SSE",
    "socket_io": "Socket.IO",
    "long_poll": "Long polling",
}
"""Of those whose readers get messages."""

BUSY = {"last_ms": "readers_share", "saturated_hz": "saturated_readers_share"}
"""Where it says how busy they were."""

DESCRIPTORS_BESIDE = 200
"""How many descriptors a server may keep for other things than readers."""


@dataclass(frozen=True)
class Spread:
    """Over rounds."""

    median: float
    low: float
    high: float
    rounds: int


def spread(values: Sequence[float]) -> Spread | None:
    """None if there are no values."""
    return Spread(statistics.median(values), min(values), max(values), len(values)) if values else None


def is_measured(metrics: Mapping[str, float], metric: str) -> bool:
    """Nothing costs 0 or less: such a difference was lost in noise."""
    return metrics.get(metric, 0.0) > 0


def over(rounds: Sequence[Results], name: str, metric: str) -> Spread | None:
    """Over the rounds that have measured it."""
    return spread([one[name][metric] for one in rounds if is_measured(one.get(name, {}), metric)])


def limited_by_readers(metrics: Mapping[str, float], metric: str) -> bool:
    busy = next((metric.replace(of, share) for of, share in BUSY.items() if metric.startswith(of)), "")
    waits = metric == "saturated_hz" and metrics.get("saturated_share", 1.0) < SATURATED
    return waits or metrics.get(busy, 0.0) > READERS_BUSY


def limited(rounds: Sequence[Results], name: str, metric: str) -> bool:
    """In at least half of the rounds that have measured it."""
    measured = [one[name] for one in rounds if metric in one.get(name, {})]
    return bool(measured) and statistics.mean(limited_by_readers(its, metric) for its in measured) >= 0.5


def towards(aim: Aim, rounds: Sequence[Results]) -> Spread | None:
    """The ratio within each round, or the value if the aim has no peer."""
    return beside(aim, aim.name, rounds)


def beside(aim: Aim, name: str, rounds: Sequence[Results]) -> Spread | None:
    """The same as it would be if this result were the one to meet the aim."""
    found = []
    for one in rounds:
        metrics = [one.get(its, {}) for its in (name, aim.peer_name) if its]
        if all(is_measured(its, aim.metric) and not limited_by_readers(its, aim.metric) for its in metrics):
            found.append(metrics[0][aim.metric] / (metrics[1][aim.metric] if aim.peer else 1))
    return spread(found)


def met(now: Spread, most: float) -> bool | None:
    """None if that is open: rounds lie on both sides of the aim, or there is just one."""
    if now.rounds == 1 or now.low <= most < now.high:
        return None
    return now.high <= most


def markdown(bench: Mapping[str, Any]) -> str:
    """The tables, and what has to be known to read them."""
    rounds = [one["results"] for one in bench["rounds"]]
    notes = [*notes_on(rounds)]
    if "bufferutil" in bench["versions"]:
        notes.append(words.native())
    notes += [words.machine(bench["machine"], bench["versions"], len(TEXT))]
    notes += [words.missing(SERVERS[name].title, why) for name, why in bench["missing"].items()]
    for number, one in enumerate(bench["rounds"], 1):
        notes += [words.failed(number, job, why) for job, why in one["failed"].items()]
    listed = "\n".join(f"- {note}" for note in notes)
    parts = [words.introduction(len(rounds)), aims(rounds), "\n".join(f"- {why}" for why in misses(rounds))]
    parts += [words.costs_say(), costs(rounds)]
    if any(name.startswith("polling ") for one in rounds for name in one):
        parts += [words.polls_say(), polls(rounds)]
    return "\n\n".join(filter(None, [*parts, listed])) + "\n"


def aims(rounds: Sequence[Results]) -> str:
    """One row per aim of which something was measured: that, the ratio, and whether it is what it should be."""
    rows = [words.aims_head(), "|---|--:|--:|--:|--:|---|"]
    for aim in AIMS:
        now, mine = towards(aim, rounds), over(rounds, aim.name, aim.metric)
        theirs = over(rounds, aim.peer_name, aim.metric)
        if not mine or (aim.peer and not theirs):
            continue
        cells = [aim.what, words.over_rounds(mine, aim.unit), "", "", f"≤ {aim.most:g} {aim.unit}"]
        if aim.peer and theirs:
            cells[2:] = [words.beside(SERVERS[aim.peer].title, theirs, aim.unit), words.ratio(now), f"≤ {aim.most:g}"]
        rows.append(f"| {' | '.join(cells)} | {words.met(met(now, aim.most) if now else None)} |")
    return "\n".join([*rows, *held(rounds)])


def misses(rounds: Sequence[Results]) -> Iterator[str]:
    """Of each aim that is not met, by how much, and what its floor reaches, if that was measured."""
    for aim in AIMS:
        now = towards(aim, rounds)
        if not now or met(now, aim.most) is not False:
            continue
        floor = beside(aim, aim.floor, rounds) if aim.floor else None
        unit = "" if aim.peer else aim.unit
        said = words.missed(aim.what, now.median, aim.most, unit)
        if floor and floor.rounds > 1:  # one round's ratio is chance
            said = f"{said} {words.floor(SERVERS[aim.floor_server].title, floor.median, unit)}"
        yield said


def held(rounds: Sequence[Results]) -> Iterator[str]:
    """How many readers one process holds, if that was measured."""
    name = "holding websocket hub"
    if (found := over(rounds, name, "held")) and (descriptors := over(rounds, name, "descriptors")):
        possible = min(HELD, int(descriptors.low) - DESCRIPTORS_BESIDE)
        yield words.held_row(int(found.low), HELD, possible, int(descriptors.low))


def costs(rounds: Sequence[Results]) -> str:
    """One row per transport and server, as far as there are numbers."""
    metrics = {metric for one in rounds for its in one.values() for metric in its}
    readers = sorted({int(metric.split("_")[2]) for metric in metrics if metric.startswith("cpu_us_")})
    rows = [words.costs_head(readers), "|---|" + "--:|" * (4 + len(readers))]
    for transport, title in TITLES.items():
        for server, about in SERVERS.items():
            fan_out = f"fan_out {transport} {server}"
            cpu = [[over(rounds, fan_out, f"cpu_us_{n}_{per_tick}") for per_tick in (1, 10)] for n in readers]
            last, most = over(rounds, fan_out, "last_ms_1000_1"), over(rounds, fan_out, "saturated_hz")
            cells = (
                words.cell(over(rounds, f"push {transport} {server}", "push_us")),
                *(words.one_and_ten(one, ten) for one, ten in cpu),
                words.at_most(last, limited(rounds, fan_out, "last_ms_1000_1")),
                words.per_second(most, limited(rounds, fan_out, "saturated_hz")),
                words.cell(over(rounds, f"memory {transport} {server}", "reader_kib")),
            )
            if any(cells):
                rows.append(f"| {words.row_title(title, about.title)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def polls(rounds: Sequence[Results]) -> str:
    """One row per server that short polls were sent to."""
    rows = [words.polls_head(), "|---|--:|--:|"]
    for server, about in SERVERS.items():
        name = f"polling short_poll {server}"
        cells = [words.cell(over(rounds, name, metric)) for metric in ("poll_us", "visit_us")]
        if any(cells):
            rows.append(f"| {words.row_title('Short polling', about.title)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def notes_on(rounds: Sequence[Results]) -> Iterator[str]:
    """What the tables don't show."""
    loads = [its[metric] for one in rounds for its in one.values() for metric in its if metric.startswith("load_")]
    reading = [its[m] for one in rounds for its in one.values() for m in its if m.startswith("readers_us_")]
    if loads:
        yield words.instrument(statistics.median(reading), min(loads), max(loads))
    yield words.memory()
    if len(rounds) > 1:
        yield words.rounds()
    if found := differences(rounds):
        yield words.differences(statistics.median(found), max(found))


def differences(rounds: Sequence[Results]) -> list[float]:
    """How far apart rounds are, as a share of the median: for each number in the tables that several rounds have."""
    shown = ("push_us", "cpu_us", "last_ms", "saturated_hz", "reader_kib", "poll_us", "visit_us")
    names = {
        (name, metric) for one in rounds for name, its in one.items() for metric in its if metric.startswith(shown)
    }
    spreads = [over(rounds, name, metric) for name, metric in names]
    return [(its.high - its.low) / its.median for its in spreads if its and its.rounds > 1]
