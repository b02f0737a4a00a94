"""From runs to a summary, on runs that are made up here."""

import math
from typing import Any

import pandas as pd
import pytest

from experiments.analysis.tables import P99_LEAST, deliveries_frame, runs_frame, summarise
from experiments.design import Condition


def a_result(name: str, condition: Condition, delays_ms: list[float], **metrics: Any) -> dict[str, Any]:
    """A stored run of one reader, with these delays."""
    count = len(delays_ms)
    suspect = metrics.pop("suspect", [])
    due = [100.0 * i for i in range(count)]
    return {
        "run": name,
        "condition": vars(condition),
        "repeat": 0,
        "window_s": 10.0,
        "seed": 1,
        "started_utc": "2026-01-01T00:00:00Z",
        "suspect": suspect,
        "tries": 1,
        "deliveries": {
            "client": [0] * count,
            "message": list(range(count)),
            "due_ms": due,
            "sent_ms": due,
            "published_ms": [at + 0.5 for at in due],
            "written_ms": [at + delay - 1 for at, delay in zip(due, delays_ms, strict=True)],
            "received_ms": [at + delay for at, delay in zip(due, delays_ms, strict=True)],
        },
        "metrics": {
            "published": count,
            "deliveries": count,
            "missing": 0,
            "duplicates": 0,
            "connections": 1,
            "requests": 10,
            "empty": 4,
            "messages": count,
            "span_s": 10.0,
            "gap_s": 1.0,
            "cycle_bytes": 300.0,
            "bytes_up": 1_000,
            "bytes_down": 2_000 + 180 * count,
            "up_request_head_bytes": 1_000,
            "down_response_head_bytes": 2_000,
            "down_payload_bytes": 180 * count,
            "segments_up": 30,
            "segments_down": 20,
            "setup_bytes": None,
            "server_cpu_ms": 20.0,
            "server_rss_bytes": 2**25,
            "server_ms": 0.3,
            "first_message_ms": 104.0,
            "late_joiners_missing": 0,
            **metrics,
        },
    }


POLLING = Condition("short_poll", pause_s=1.0, rate_hz=2.0, clients=1)


def the_summary(*results: dict[str, Any]) -> dict[str, Any]:
    (row,) = summarise(runs_frame(results), deliveries_frame(results)).to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_a_mean_is_over_runs_and_has_their_range() -> None:
    row = the_summary(a_result("a", POLLING, [400.0] * 20), a_result("b", POLLING, [600.0] * 10 + [700.0] * 10))
    assert row["runs"] == 2
    assert (row["delay_mean_low_ms"], row["delay_mean_ms"], row["delay_mean_high_ms"]) == (400, 525, 650)
    assert row["spread_delay_ms"] == 125
    assert row["delay_p50_ms"] == 600
    assert math.isnan(row["delay_p99_ms"])


def test_the_parts_of_the_way_add_up() -> None:
    row = the_summary(a_result("a", POLLING, [400.0, 500.0]))
    assert (row["way_in_ms"], row["to_wire_ms"], row["from_wire_ms"]) == pytest.approx((0.5, 448.5, 1.0))
    assert row["harness_ms"] == pytest.approx(1.5)
    assert row["theory_delay_mean_ms"] == pytest.approx(500)
    assert row["unexplained_delay_ms"] == pytest.approx(450 - 500 - 1.5)


def test_bytes_are_divided_by_what_was_due_and_payload_by_what_was_seen() -> None:
    row = the_summary(a_result("a", POLLING, [400.0] * 20, messages=19, down_payload_bytes=180 * 19))
    assert row["payload_bytes_per_message"] == 180
    assert row["bytes_per_message"] == 180 + 3_000 / 20
    assert row["requests_per_message"] == 0.5
    assert row["theory_requests_per_message"] == pytest.approx(0.5)
    assert row["theory_bytes_per_message"] == pytest.approx(180 + 300 / 2)
    assert row["empty_share"] == 0.4
    assert row["bytes_per_minute"] == 6 * (3_000 + 180 * 20)
    assert row["segments_per_message"] == 2.5
    assert row["bytes_per_message_with_tcp_ip"] == row["bytes_per_message"] + 2.5 * 52


def test_suspect_runs_count_only_where_there_are_no_others() -> None:
    good, bad = a_result("a", POLLING, [400.0]), a_result("b", POLLING, [9_000.0], suspect=["late"])
    row = the_summary(good, bad)
    assert (row["runs"], row["suspect_runs"], row["suspect"], row["delay_mean_ms"]) == (1, 1, False, 400)
    row = the_summary(bad)
    assert (row["runs"], row["suspect_runs"], row["suspect"], row["delay_mean_ms"]) == (1, 1, True, 9_000)


def test_a_message_that_was_lost_counts_though_its_run_is_suspect() -> None:
    good, bad = (a_result(name, POLLING, [400.0]) for name in ("a", "b"))
    bad["suspect"] = ["1 messages did not arrive"]
    bad["metrics"] |= {"missing": 1, "duplicates": 2, "deliveries": 0}
    row = the_summary(good, bad)
    assert (row["runs"], row["deliveries"], row["missing"], row["duplicates"]) == (1, 1, 1, 2)


def test_one_run_has_no_spread() -> None:
    assert math.isnan(the_summary(a_result("a", POLLING, [400.0]))["spread_delay_ms"])


def test_a_99th_percentile_needs_messages_and_not_readers() -> None:
    few = a_result("a", POLLING, [float(i) for i in range(P99_LEAST - 1)])
    enough = a_result("a", POLLING, [float(i) for i in range(P99_LEAST)])
    assert math.isnan(the_summary(few)["delay_p99_ms"])
    assert the_summary(enough)["delay_p99_ms"] == 0.99 * P99_LEAST
    twice = deliveries_frame([few])
    both = pd.concat([twice, twice.assign(client=1)], ignore_index=True)
    assert math.isnan(summarise(runs_frame([few]), both).delay_p99_ms[0])


def test_pushed_bytes_are_held_against_the_framing() -> None:
    push = Condition("websocket", rate_hz=2.0, clients=1)
    row = the_summary(
        a_result("a", push, [2.0] * 10, requests=0, empty=0, up_request_head_bytes=0, down_response_head_bytes=0,
                 down_frame_bytes=40, bytes_up=0, bytes_down=1_840, gap_s=None, cycle_bytes=None)
    )  # fmt: skip
    assert row["bytes_per_message"] == row["theory_bytes_per_message"] == 184
    assert row["residual_bytes_percent"] == 0


def test_where_nothing_can_arrive_nothing_is_expected() -> None:
    undeliverable = Condition("websocket", rate_hz=2.0, clients=1, client="raw", upgrades="refuse")
    result = a_result("a", undeliverable, [1.0] * 10, deliveries=0, missing=10, messages=0, first_message_ms=None)
    result["deliveries"]["received_ms"] = result["deliveries"]["written_ms"] = [None] * 10
    del result["metrics"]["down_payload_bytes"]
    row = the_summary(result)
    assert (row["deliveries"], row["missing"]) == (0, 10)
    for name in ("delay_mean_ms", "delay_p50_ms", "bytes_per_message", "first_message_ms"):
        assert math.isnan(row[name])
    assert "theory_delay_mean_ms" not in row
    assert row["bytes_per_minute"] > 0
