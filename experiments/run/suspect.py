"""What makes a run suspect: not to be relied on."""

from typing import Any

from experiments.run.observe import MARK_TIME_NS


def suspicions(metrics: dict[str, Any], undeliverable: bool = False) -> list[str]:
    """Why a run should not be believed; empty if nothing speaks against it. `hopeless`: nothing could arrive."""
    found: list[str] = []

    def suspect(name: str, is_bad: Any, why: str) -> None:
        if metrics[name] is not None and is_bad(metrics[name]):
            found.append(why.format(metrics[name]))

    suspect("achieved_share", lambda share: share < 0.98, "only {:.3f} of the messages were published in time")
    suspect("publisher_late_p99_ms", lambda ms: ms > 10, "the publisher was {:.1f} ms late (p99)")
    suspect("mark_late_ms", lambda ms: ms > MARK_TIME_NS / 1e6, "the server noted its state {:.0f} ms late")
    suspect("readers_cpu_share", lambda share: share > 0.6, "the readers used {:.2f} of a core")
    suspect("readers_wait_ms", lambda ms: ms > 2, "the readers waited {:.1f} ms for a CPU each time")
    suspect("server_wait_ms", lambda ms: ms > 2, "the server waited {:.1f} ms for a CPU each time")
    suspect("way_in_mean_ms", lambda ms: ms > 5, "a message took {:.1f} ms on average to get into the log")
    if not undeliverable:
        suspect("clients_lost", bool, "{} readers lost their connection")
        suspect("missing", bool, "{} messages did not arrive")
    suspect("duplicates", bool, "{} messages arrived more than once")
    suspect("unfinished_bytes", bool, "{} bytes were cut off in the middle of something")
    ours, probes = metrics["from_wire_median_ms"], metrics["probe_median_ms"]
    # Below 2 ms the ratio says which library was used, not that the readers were overloaded.
    if ours is not None and probes is not None and ours > 1.5 * probes and ours - probes > 2:
        found.append(f"the readers' median from the wire is {ours:.1f} ms, the probe's {probes:.1f} ms")
    return found
