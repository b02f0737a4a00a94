"""The recording, of a process that is measured."""

import base64
import itertools
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from app import record
from app.record import Recorder, Sample
from tests.serving import Wire, eventually, python, server_process, serving

pytestmark = pytest.mark.anyio


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_it_holds_every_byte_of_every_connection_and_the_marks(tmp_path: Path) -> None:
    file = tmp_path / "recording"
    wires: dict[int, Wire] = {}
    async with server_process("--record", str(file)) as server:
        async with Wire.to(server.port) as poll:
            wires[poll.port] = poll
            await poll.ask("/short-poll")
            await poll.answer()
            server.process.send_signal(signal.SIGUSR1)
            await poll.ask("/short-poll")
            await poll.answer()
        async with Wire.to(server.port) as streaming, Wire.to(server.port):
            wires[streaming.port] = streaming
            await streaming.ask("/sse")
            await streaming.until(b"\n\n\r\n")
            assert not file.exists()
            code, _ = await server.end()
            assert code == 0
            await streaming.rest()
    assert files(tmp_path) == [file]
    mark, *connections, last = lines(file)
    assert last == {"truncated": False}
    assert mark.keys() == {"mark"}
    assert mark["mark"].keys() == {"at_ns", "cpu_ns", "rss_bytes", "segments"}
    assert mark["mark"]["cpu_ns"] > 0
    assert mark["mark"]["rss_bytes"] > 1_000_000
    assert mark["mark"]["segments"].keys() == {"1"}
    if sys.platform == "linux":
        assert mark["mark"]["segments"]["1"]["bytes_sent"] > 0
    assert [line["connection"]["client_port"] for line in connections] == list(wires)
    for number, line in enumerate(connections, 1):
        connection = line["connection"]
        wire = wires[connection["client_port"]]
        pieces = {way: [one for one in connection["pieces"] if one[0] == way] for way in ("up", "down")}
        for way, data in (("up", wire.sent), ("down", wire.received)):
            assert b"".join(base64.b64decode(piece) for _, _, piece in pieces[way]) == data
            assert connection[f"bytes_{way}"] == len(data)
        assert connection["number"] == number
        assert connection["writes"] == len(pieces["down"])
        times = [connection["opened_ns"], *(at_ns for _, at_ns, _ in connection["pieces"]), connection["closed_ns"]]
        assert times == sorted(times)
        assert (connection["segments"] is None) == (sys.platform != "linux")
    assert connections[0]["connection"]["opened_ns"] < mark["mark"]["at_ns"] < connections[1]["connection"]["opened_ns"]


async def test_a_truncated_recording_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RECORDING_MAX_BYTES", 500)
    recorder, file = Recorder(), tmp_path / "recording"
    async with serving(observer=recorder) as running, Wire.to(running.port) as wire:
        for _ in range(5):
            await wire.ask("/short-poll")
            await wire.answer()
        await eventually(lambda: recorder.truncated)
    recorder.write(file)
    (connection, last) = lines(file)
    assert last == {"truncated": True}
    kept = sum(len(base64.b64decode(piece)) for _, _, piece in connection["connection"]["pieces"])
    assert 0 < kept <= 500
    assert connection["connection"]["bytes_up"] == len(wire.sent)


async def test_counting_only_remembers_no_bytes(tmp_path: Path) -> None:
    file = tmp_path / "recording"
    async with server_process("--record", str(file), "--record-bytes", "counts") as server:
        async with Wire.to(server.port) as wire:
            await wire.ask("/short-poll")
            await wire.answer()
            server.process.send_signal(signal.SIGUSR1)
            await wire.ask("/short-poll")
            await wire.answer()
        await server.end()
    mark, connection, last = lines(file)
    assert mark["mark"]["rss_bytes"] > 1_000_000
    assert connection["connection"]["pieces"] == []
    assert connection["connection"]["bytes_up"] == len(wire.sent)
    assert connection["connection"]["bytes_down"] == len(wire.received)
    assert last == {"truncated": False}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
async def test_of_a_sample_every_byte_is_kept_and_of_the_others_every_count(share: float, tmp_path: Path) -> None:
    sample, file = Sample(share, seed=7), tmp_path / "recording"
    recorder, wires = Recorder(sample), dict[int, Wire]()
    async with serving(observer=recorder) as running:
        for _ in range(40):
            async with Wire.to(running.port) as wire:
                wires[wire.port] = wire
                await wire.ask("/short-poll")
                await wire.answer()
        await eventually(lambda: not running.link.connections)
    recorder.write(file)
    *connections, last = lines(file)
    assert last == {"truncated": False}
    assert [line["connection"]["client_port"] for line in connections] == list(wires)
    for line in connections:
        connection = line["connection"]
        wire = wires[connection["client_port"]]
        assert (connection["bytes_up"], connection["bytes_down"]) == (len(wire.sent), len(wire.received))
        kept = b"".join(base64.b64decode(data) for way, _, data in connection["pieces"] if way == "down")
        assert kept == (bytes(wire.received) if wire.port in sample else b"")


def test_a_sample_has_its_share_and_other_seeds_have_other_samples() -> None:
    ports = range(32_768, 60_999)
    samples = [{port for port in ports if port in Sample(0.1, seed)} for seed in range(3)]
    for one, other in itertools.combinations(samples, 2):
        assert len(one) == pytest.approx(0.1 * len(ports), rel=0.1)
        assert len(one & other) == pytest.approx(0.01 * len(ports), rel=0.3)


@pytest.mark.parametrize("text", ["some", "2:1", "0.5", "0.5:x", "-0.1:3", "nan:3"])
async def test_a_sample_that_can_not_be_is_refused(text: str) -> None:
    process = await python("-m", "app", "--record", "x", f"--record-bytes={text}")
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert f"--record-bytes {text} is not accepted: give all, counts, or SHARE:SEED".encode() in stderr
