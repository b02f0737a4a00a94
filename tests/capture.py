"""Compares the tap with a packet capture: `python -m tests.capture` (needs tcpdump and the right to capture on lo).

One reader per variant and a fixed number of messages; what the tap counted, and what tcpdump saw of TCP payload, every
sequence number once.
"""

import asyncio
import contextlib
import json
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.message import Message
from experiments.design import Condition
from experiments.run.publisher import Publisher
from experiments.run.readers import receive
from experiments.variants import VARIANTS

MESSAGES = 20


@dataclass(frozen=True)
class Comparison:
    """Bytes of a reader's connections, up and down, as counted by the tap and by the capture."""

    client: str
    tap: tuple[int, int]
    capture: tuple[int, int]


def can_capture() -> bool:
    """Whether tcpdump is here and may listen on the loopback interface."""
    command = ["tcpdump", "-i", loopback(), "-c", "1", "-w", "/dev/null", "--immediate-mode", "port", "1"]
    if shutil.which("tcpdump") is None:
        return False
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        listening = "listening on" in process.stderr.readline()
        process.terminate()
    return listening


def loopback() -> str:
    return "lo" if sys.platform == "linux" else "lo0"


def compare() -> list[Comparison]:
    """For every variant, with its library client and with the raw one."""
    return [_compare(kind, variant) for variant in VARIANTS for kind in ("library", "raw")]


def _compare(kind: str, variant: str) -> Comparison:
    with tempfile.TemporaryDirectory() as folder:
        recording, captured, unix = (Path(folder) / name for name in ("recording", "captured", "in"))
        command = [sys.executable, "-m", "app", "--port", "0", "--unix", str(unix), "--record", str(recording)]
        tcpdump = ["tcpdump", "-i", loopback(), "-B", "32768", "-U", "--immediate-mode", "-w", str(captured)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            assert server.stdout
            url = "".join(re.findall(r"http://[^/ ]+", server.stdout.readline()))
            port = int(url.rpartition(":")[2])
            with subprocess.Popen([*tcpdump, "tcp", "port", str(port)], stderr=subprocess.PIPE, text=True) as capture:
                assert capture.stderr
                capture.stderr.readline()  # "listening on ..."
                asyncio.run(_receive(kind, variant, url, unix))
                server.send_signal(signal.SIGINT)
                server.wait()
                capture.send_signal(signal.SIGINT)
        counted = [json.loads(line) for line in recording.read_text().splitlines()]
        taps = [c["connection"] for c in counted if "connection" in c and c["connection"]["client_port"]]
        counts = (sum(tap["bytes_up"] for tap in taps), sum(tap["bytes_down"] for tap in taps))
        return Comparison(f"{variant}, {kind}", counts, payload_bytes(captured.read_bytes(), port))


async def _receive(kind: str, variant: str, url: str, unix: Path) -> None:
    publisher, (transport, _, via) = Publisher(unix), variant.partition(" ")
    condition = Condition(transport, 0.05 if transport == "short_poll" else 0.0, client=kind, via=via)  # type: ignore[arg-type]
    await asyncio.to_thread(publisher.now, "the first")
    seen = 0
    async with contextlib.aclosing(receive(condition, url, "0")) as stream:  # type: ignore[type-var]
        async for update in stream:
            seen += isinstance(update, Message)
            if seen == MESSAGES:
                break
            await asyncio.to_thread(publisher.now, f"message {seen} of this capture")
    publisher.close()


def payload_bytes(pcap: bytes, server_port: int) -> tuple[int, int]:
    """TCP payload (up, down) in a capture file of Ethernet or BSD loopback frames; each segment once."""
    order = "<" if pcap[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    (link_type,) = struct.unpack_from(order + "I", pcap, 20)
    link_bytes = {0: 4, 1: 14}[link_type]
    position, segments = 24, dict[tuple[int, int, int], int]()
    while position < len(pcap):
        (size,) = struct.unpack_from(order + "I", pcap, position + 8)
        ip = pcap[position + 16 + link_bytes : position + 16 + size]
        position += 16 + size
        tcp = ip[(ip[0] & 15) * 4 : int.from_bytes(ip[2:4])]
        key = struct.unpack_from(">HHI", tcp)  # from, to, sequence number
        length = len(tcp) - (tcp[12] >> 4) * 4
        segments[key] = max(length, segments.get(key, 0))
    down = sum(length for (source, _, _), length in segments.items() if source == server_port)
    return sum(segments.values()) - down, down


if __name__ == "__main__":
    print("| client | tap: up + down | tcpdump: up + down |\n|---|--:|--:|")
    for row in compare():
        print(f"| {row.client} | {row.tap[0]:,} + {row.tap[1]:,} B | {row.capture[0]:,} + {row.capture[1]:,} B |")
