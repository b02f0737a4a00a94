"""What makes a run suspect: not to be relied on. The limits are data, for the code here and for the report."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Limit:
    """A run is suspect when `metric` is `beyond` the limit. A metric that is None, or not there, is not judged.

    `what` and `unit` say what the metric is, for a table; `reason` says, in one sentence with the value in it, what
    happened. `delivered`: applies only where messages can arrive at all.
    """

    metric: str
    beyond: Literal["above", "below"]
    limit: float
    what: str
    unit: str
    reason: str
    delivered: bool = False

    def exceeded(self, value: float) -> bool:
        return value < self.limit if self.beyond == "below" else value > self.limit


MARK_LATE_MS = 50.0
"""How long the server has to take its mark before readers see the last message and leave."""

STARVED = 0.2
"""A process that waits for a CPU for more of the time than this, while it should work, measures the machine."""

SATURATED = 0.9
"""A server that uses less of a core than this could do more: it is not what limits a saturated run."""

READERS_BUSY = 0.9
"""Readers that use more of a core than this, while messages are on their way, are what limits them."""

LIMITS = (
    Limit("achieved_share", "below", 0.98, "messages published in time", "of all",
          "only {:.3f} of the messages were published in time"),
    Limit("publisher_late_p99_ms", "above", 10, "publisher behind schedule, p99", "ms",
          "the publisher was {:.1f} ms late (p99)"),
    Limit("mark_late_ms", "above", MARK_LATE_MS, "server's marks behind schedule", "ms",
          "the server noted its state {:.0f} ms late"),
    Limit("readers_cpu_share", "above", 0.6, "CPU of the readers' busiest process", "of a core",
          "the readers used {:.2f} of a core"),
    Limit("readers_wait_ms", "above", 2, "readers waiting for a CPU, mean", "ms",
          "the readers waited {:.1f} ms for a CPU each time"),
    Limit("server_wait_ms", "above", 2, "server waiting for a CPU, mean", "ms",
          "the server waited {:.1f} ms for a CPU each time"),
    Limit("starved_share", "above", STARVED, "server or readers waiting for a CPU", "of the time",
          "the server or its readers waited for a CPU for {:.2f} of the time"),
    Limit("readers_busy_share", "above", READERS_BUSY, "CPU of the readers' busiest process while all reconnect",
          "of a core", "the readers used {:.2f} of a core while they reconnected"),
    Limit("way_in_mean_ms", "above", 5, "from due to in the log, mean", "ms",
          "a message took {:.1f} ms on average to get into the log"),
    Limit("clients_lost", "above", 0, "readers that lost their connection", "",
          "{} readers lost their connection", delivered=True),
    Limit("missing", "above", 0, "messages that did not arrive", "", "{} messages did not arrive", delivered=True),
    Limit("duplicates", "above", 0, "messages that arrived more than once", "", "{} messages arrived more than once"),
    Limit("reordered", "above", 0, "messages that arrived after a later one", "",
          "{} messages arrived after a later one"),
    Limit("uncounted_bytes", "above", 0, "bytes that the tap and the readers of a crowd count differently", "bytes",
          "the tap and the readers counted differently, by {} bytes"),
    Limit("unfinished_bytes", "above", 0, "bytes cut off in the middle of something", "bytes",
          "{} bytes were cut off in the middle of something"),
)  # fmt: skip

PROBE_RATIO = 1.5
"""How many times the probe's median the readers' median from the wire may be."""

PROBE_OFF_MS = 2.0
"""Below this difference the ratio says which library was used, not that the readers were overloaded."""


def reasons(metrics: dict[str, Any], undeliverable: bool = False) -> list[str]:
    """Why a run is suspect; empty if it is not. `undeliverable`: nothing can arrive, so nothing is missing."""
    found = [
        limit.reason.format(metrics[limit.metric])
        for limit in LIMITS
        if metrics.get(limit.metric) is not None
        and limit.exceeded(metrics[limit.metric])
        and not (limit.delivered and undeliverable)
    ]
    ours, probes = metrics["from_wire_median_ms"], metrics["probe_median_ms"]
    if ours is not None and probes is not None and ours > PROBE_RATIO * probes and ours - probes > PROBE_OFF_MS:
        found.append(f"the readers' median from the wire is {ours:.1f} ms, the probe's {probes:.1f} ms")
    return found
