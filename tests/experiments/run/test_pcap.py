"""A recording as a capture file: Wireshark's dissectors find in it what the ledger says."""

import asyncio
import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest

from app.message import Message
from clients import raw
from experiments.__main__ import main
from experiments.analysis.ledger import explain
from experiments.design import Condition
from experiments.run import recording, serving
from experiments.run.publisher import Publisher

TEXTS = [f"message {number} " + "x" * 70_000 * (number == 2) for number in range(3)]
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a server recorded of a reader per transport, and of one publisher."""
    folder = tmp_path_factory.mktemp("recorded")
    command = serving.arguments(folder, folder / "recording", Condition("sse"), "all")
    with serving.server(command) as (_, url):
        with contextlib.closing(Publisher(folder / "in")) as publisher:
            for text in ("first", "second", "third"):
                publisher.now(text)

        async def read(transport: str) -> None:
            count = 0
            async with contextlib.aclosing(raw.receive(transport, url, "0")) as stream:  # type: ignore[type-var]
                async for update in stream:
                    count += isinstance(update, Message)
                    if count == 3:
                        return

        async def everybody() -> None:
            await asyncio.gather(*(read(t) for t in ("short_poll", "long_poll", "sse", "websocket", "socket_io")))

        asyncio.run(everybody())
    return folder / "recording"


def dissected(path: Path, *fields: str, only: str = "") -> list[list[str]]:
    """Wireshark's fields of every packet, or of those that `only` lets through."""
    wanted = [argument for field in fields for argument in ("-e", field)]
    command = [
        "tshark",
        "-r",
        str(path),
        "-d",
        "tcp.port==8000,http",
        "-T",
        "fields",
        *wanted,
        "-o",
        "tcp.check_checksum:TRUE",
    ]
    done = subprocess.run([*command, *(["-Y", only] if only else [])], capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


@needs_tshark
def test_wireshark_reads_http_and_websocket_and_counts_the_same_bytes(recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    assert main(["pcap", str(recorded), str(out)]) == 0
    connections = recording.read(recorded).connections
    for connection in connections:
        if connection.client_port:
            for direction, field, counted in (
                ("up", "tcp.srcport", connection.bytes_up),
                ("down", "tcp.dstport", connection.bytes_down),
            ):
                sizes = dissected(out, "tcp.len", only=f"{field} == {connection.client_port}")
                explained = sum(n for e in explain(connection) for (d, _), n in e.sizes.items() if d == direction)
                assert sum(int(size) for (size,) in sizes) == counted == explained
    heads = dissected(out, "http.request.uri", only="http.request")
    requests = sum(e.kind == "request" for connection in connections for e in explain(connection))
    assert len(heads) == requests
    frames = dissected(out, "websocket.opcode", only="websocket")
    assert sum(line[0].split(",").count("1") for line in frames) >= 3  # a text frame for each message at least
    assert dissected(out, "frame.number", only="tcp.analysis.flags || tcp.checksum.status == 0") == []


def test_a_recording_that_is_not_whole_is_refused(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = recorded.read_text().splitlines()
    (tmp_path / "cut").write_text("\n".join(lines[:-1]))
    assert main(["pcap", str(tmp_path / "cut"), str(tmp_path / "out.pcapng")]) == 1
    assert "is not a whole recording" in capsys.readouterr().err
    assert not (tmp_path / "out.pcapng").exists()
