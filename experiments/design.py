"""What is measured under which conditions, how often and in which order.

A *condition* is everything that a run depends on; a *run* is one fresh server, its readers and one window of time.
Runs are repeated, and all repeats of all conditions are shuffled with a seed, so that a slow minute of the machine
hits no condition alone. Two questions that ask for the same condition share its runs.
"""

import hashlib
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from experiments.variants import VARIANTS, Variant, Via

Upgrades = Literal["pass", "refuse", "cut"]
FanOut = Literal["hub", "tasks"]
FAN_OUTS: tuple[FanOut, ...] = get_args(FanOut)


@dataclass(frozen=True)
class Condition:
    """Everything that a run depends on.

    `pause_s`: between a short poll's response and the next request. `rate_hz`: messages per second, a Poisson
    process; 0 is silence. `one_way_delay_ms`: emulated, in each direction. `client`: the library (httpx, websockets)
    or the raw one. `headers`: whose request headers are sent. `clients`: how many readers; 0 is the publisher alone.
    `text_bytes`: of each message. `via`: what Socket.IO runs over; empty for the others. `upgrades`: what the network
    does with a request to upgrade (see `app.link`). `late_joiners`: how many more readers join in the window, one
    after another. `measures`: what the run is for. Where it is the server's CPU or memory, readers only count (see
    `experiments.run.counting`), and for memory their number grows up to `clients`. So it does for broadcasts, where
    each reader checks what it receives, and each message waits until all have the one before (see
    `experiments.run.broadcast`).
    `tap`: False leaves the tap out of the server, so that its cost can be measured. `fan_out`: how the server writes
    to readers that have read everything, all at once by a hub, or each by a task of its own; and to polls, whether the
    tap may repeat what was let in before (with the hub), or every poll goes through uvicorn. `backoff`: in a storm,
    whether readers come back after a random time that grows with each failure (`clients.backoff`), or each exactly
    one second after it has lost its connection or was refused (see `experiments.run.storm`).
    """

    transport: str
    pause_s: float = 0.0
    rate_hz: float = 1.0
    one_way_delay_ms: float = 0.0
    client: Literal["library", "raw"] = "library"
    headers: Literal["library", "browser"] = "library"
    clients: int = 5
    text_bytes: int = 120
    via: Via = ""
    upgrades: Upgrades = "pass"
    late_joiners: int = 0
    measures: Literal["deliveries", "cpu", "memory", "broadcasts", "storm"] = "deliveries"
    tap: bool = True
    fan_out: FanOut = "hub"
    backoff: bool = True

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"unknown variant {self.variant!r}; known: {', '.join(VARIANTS)}")
        if self.client == "library" and self.headers == "browser":
            raise ValueError("a client library sends its own headers; use the raw client to send a browser's")

    @property
    def variant(self) -> str:
        """A name in VARIANTS."""
        return f"{self.transport} {self.via}".strip()

    @property
    def kind(self) -> Variant:
        """What is known of the variant."""
        return VARIANTS[self.variant]

    @property
    def polls(self) -> bool:
        """Whether every delivery needs a request."""
        return self.kind.polls or (self.upgrades != "pass" and self.kind.without_websocket == "polls")

    @property
    def undeliverable(self) -> bool:
        """Whether nothing can arrive: it needs a WebSocket, and the network lets none through."""
        return self.upgrades != "pass" and self.kind.without_websocket == "fails"

    @property
    def hold_s(self) -> float:
        """How long a request may be held; one of Socket.IO, until the next heartbeat at the latest."""
        return self.kind.hold_s if self.polls else 0.0

    @property
    def heartbeat_hz(self) -> float:
        """How often a held request gets a heartbeat as its response."""
        return 1 / self.kind.heartbeat_s if self.polls and self.kind.heartbeat_s else 0.0

    @property
    def cycle_s(self) -> float:
        """The time between two short polls, without processing: the pause and a round trip."""
        return self.pause_s + 2 * self.one_way_delay_ms / 1000

    @property
    def exclusive(self) -> bool:
        """Whether milliseconds or CPU time count: such a run shares the machine with as little as possible."""
        milliseconds = self.client == "library" and self.one_way_delay_ms == 0 and not self.kind.pauses
        return self.crowd or self.measures == "cpu" or (self.measures == "deliveries" and milliseconds)

    @property
    def crowd(self) -> bool:
        """Whether its readers may be thousands, in several processes."""
        return self.measures in ("broadcasts", "storm")

    @property
    def weighs_tap(self) -> bool:
        """Whether it is measured for the tap's part alone: the hub needs the tap, so readers have a task each."""
        return not self.tap or (self.measures == "memory" and self.fan_out == "tasks")

    @property
    def differing(self) -> dict[str, Any]:
        """The fields that are not as by default: what a name and a seed are made of, so that new fields change none."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


GROWING_S = 4.0
"""About how long it takes until all readers of a run that measures memory are connected."""

CROWD_S, CROWD_READER_S = 2.0, 0.0012
"""About how long a run with a crowd takes, and how much longer for each reader."""

CONDITION_COLUMNS = tuple(field.name for field in fields(Condition))


@dataclass(frozen=True)
class Size:
    """How much is measured. `messages` and `least_s` set a run's window, `repeats` and `slow_repeats` how often.

    `load_s` is the window of a run that measures the server's CPU, `load_repeats` how often each load is repeated.
    Crowds have up to `crowd` readers; those over WebSocket, and storms, are repeated `crowd_repeats` times, the others
    are there once. After `retry_s` seconds no run is repeated.
    """

    name: str
    repeats: int
    slow_repeats: int
    messages: int
    least_s: float
    most_s: float
    retry_s: float
    crowd: int = 2_000
    load_s: float = 1.0
    load_repeats: int = 1
    crowd_repeats: int = 1

    def window_s(self, condition: Condition) -> float:
        """Seconds in which messages are due: enough messages, enough polls, and neither too short nor too long."""
        if condition.measures == "cpu":
            return self.load_s
        if condition.measures == "memory":
            return GROWING_S
        if condition.crowd:
            return CROWD_S + condition.clients * CROWD_READER_S
        if condition.rate_hz == 0:
            return 60.0  # bytes per minute of silence are counted
        wanted = max(self.messages / condition.rate_hz, 4 * condition.pause_s)
        return min(max(wanted, self.least_s), max(self.most_s, 4 / condition.rate_hz))

    def times(self, condition: Condition) -> int:
        """How often a condition is repeated; one that takes a minute, less often."""
        if condition.crowd:
            return self.crowd_repeats if condition.transport == "websocket" else 1
        if condition.measures == "cpu":
            return self.load_repeats
        return self.slow_repeats if condition.rate_hz < 0.2 else self.repeats

    def fits(self, condition: Condition) -> bool:
        """Whether this size measures a condition; a quick look leaves out what takes longer than seconds."""
        if condition.crowd:
            return condition.clients == self.crowd
        seen_in_seconds = condition.rate_hz >= 1 and condition.pause_s <= 1 and condition.measures == "deliveries"
        return self.name != "quick" or seen_in_seconds


SIZES = {
    "quick": Size("quick", repeats=1, slow_repeats=0, messages=8, least_s=3.0, most_s=4.0, retry_s=60, crowd=400),
    "default": Size(
        "default",
        repeats=3,
        slow_repeats=1,
        messages=20,
        least_s=5.0,
        most_s=8.0,
        retry_s=180,
        crowd=2_000,
        crowd_repeats=2,
    ),
    "full": Size(
        "full",
        repeats=3,
        slow_repeats=2,
        messages=40,
        least_s=12.0,
        most_s=60.0,
        retry_s=7_200,
        crowd=10_000,
        load_s=1.6,
        crowd_repeats=3,
    ),
}


@dataclass(frozen=True)
class Run:
    """One repeat of one condition, with its own seed."""

    condition: Condition
    repeat: int
    window_s: float
    seed: int

    @property
    def name(self) -> str:
        """A file name that is the same whenever the same thing is measured."""
        c = self.condition
        digest = hashlib.sha256(json.dumps([c.differing, self.window_s], sort_keys=True).encode()).hexdigest()[:8]
        return f"{c.variant.replace(' ', '-')}-{c.rate_hz:g}hz-{c.one_way_delay_ms:g}ms-{digest}-{self.repeat}"


def plan(conditions: Iterable[Condition], size: Size, seed: int) -> list[Run]:
    """All runs for these conditions, each once, in a shuffled order that depends on `seed` only."""
    runs = [
        Run(condition, repeat, size.window_s(condition), seed=_seed(seed, condition, repeat))
        for condition in dict.fromkeys(conditions)
        if size.fits(condition)
        for repeat in range(size.times(condition))
    ]
    random.Random(seed).shuffle(runs)
    return runs


def arrivals(rng: random.Random, rate_hz: float, length_s: float) -> list[float]:
    """When messages are due: `rate_hz * length_s` (rounded) of them, at independent uniform times in [0, length_s).

    This is a Poisson process, given how many there were: the number is what was asked for, and not one more source of
    noise, while every time in between stays random.
    """
    return sorted(rng.uniform(0, length_s) for _ in range(round(rate_hz * length_s)))


def phases(rng: random.Random, clients: int, period_s: float) -> list[float]:
    """When each client polls first: one random moment in each of `clients` equal parts of the period, shuffled.

    Each phase is uniform over the period, so no delay is biased, and together they cover it evenly, so that the mean
    over the clients is far more exact than with independent phases (stratified sampling).
    """
    starts = [(k + rng.random()) * period_s / clients for k in range(clients)]
    rng.shuffle(starts)
    return starts


def _seed(seed: int, condition: Condition, repeat: int) -> int:
    # Repeats of different conditions share no arrivals, and a condition's runs don't change when others are added.
    text = json.dumps([seed, condition.differing, repeat], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])


def every_variant(**fields: Any) -> list[Condition]:
    """The same condition for every variant; short polling every second."""
    return [
        Condition(variant.transport, pause_s=variant.usual_pause_s, via=variant.via, **fields)
        for variant in VARIANTS.values()
    ]
