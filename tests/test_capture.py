"""The tap counts what a packet capture sees."""

import pytest

from tests.capture import can_capture, compare


@pytest.mark.skipif(not can_capture(), reason="needs tcpdump, and the right to capture on the loopback interface")
def test_tap_counts_what_a_packet_capture_sees() -> None:
    for row in compare():
        assert row.tap == row.capture, row.client
