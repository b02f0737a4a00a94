"""What the server's recorder writes is what a measurement reads."""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import pytest

from app import record
from app.record import Recorder
from experiments.run.recording import Stream, read
from tests.serving import Wire, ask, eventually, serving
from tests.witness import Witness


@pytest.mark.anyio
async def test_it_reads_what_the_recorder_wrote(tmp_path: Path) -> None:
    witness = Witness()
    async with serving(observer=witness) as running, contextlib.AsyncExitStack() as stack:
        for target in ("/short-poll?after=0", "/sse", "/nowhere"):
            wire = await stack.enter_async_context(Wire.to(running.port))
            await wire.ask(target)
            await wire.until(b"\r\n\r\n")
        running.log.publish("長輪詢")
        await eventually(lambda: "長輪詢".encode() in witness.saw[-1].data)
        open_ones = witness.recording(tmp_path).connections
    recording = witness.recording(tmp_path)
    assert [connection.closed_ns for connection in open_ones] == [None] * 3
    assert len(recording.connections) == 3
    for connection in recording.connections:
        pieces = [piece for piece in witness.saw if piece.connection.number == connection.number]
        original = pieces[0].connection
        for name in ("client_port", "opened_ns", "closed_ns", "bytes_up", "bytes_down", "writes"):
            assert getattr(connection, name) == getattr(original, name)
        for direction, stream in (("up", connection.up), ("down", connection.down)):
            position = 0
            for piece in (piece for piece in pieces if piece.direction == direction):
                end = position + len(piece.data)
                assert stream.data[position:end] == piece.data
                assert stream.at_ns(position) == stream.at_ns(end - 1) == piece.at_ns
                position = end
            assert position == len(stream.data) == getattr(connection, f"bytes_{direction}")


def test_a_byte_passed_with_its_piece() -> None:
    stream = Stream([(10, b"ab"), (20, b""), (30, b"c"), (40, b"def")])
    assert stream.data == b"abcdef"
    assert [stream.at_ns(position) for position in range(6)] == [10, 10, 30, 40, 40, 40]


@pytest.mark.anyio
async def test_it_reads_marks(tmp_path: Path) -> None:
    recorder = Recorder()
    async with serving(observer=recorder) as running, Wire.to(running.port) as wire:
        before_ns, before_cpu_ns = time.monotonic_ns(), time.process_time_ns()
        recorder.mark(running.link)
        await wire.ask("/sse")
        await wire.until(b"\n\n\r\n")
        (number,) = running.link.connections
        recorder.mark(running.link)
    recorder.write(tmp_path / "recording")
    first, second = read(tmp_path / "recording").marks
    assert before_ns <= first.at_ns <= second.at_ns <= time.monotonic_ns()
    assert before_cpu_ns <= first.cpu_ns <= second.cpu_ns <= time.process_time_ns()
    assert 2**20 < first.rss_bytes < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert second.segments.keys() == {number}
    if sys.platform == "linux":
        segments = second.segments[number]
        assert segments is not None
        assert segments["data_segments_up"] >= 1 and segments["data_segments_down"] >= 1
    else:
        assert second.segments[number] is None


@pytest.mark.anyio
async def test_a_recording_without_room_for_everything_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "RECORDING_MAX_BYTES", 1_000)
    for polls in (1, 100):
        recorder = Recorder()
        async with serving(observer=recorder) as running:
            for _ in range(polls):
                await ask(running.port, "/short-poll")
        recorder.write(tmp_path / "recording")
        if polls == 1:
            assert len(read(tmp_path / "recording").connections) == 1
        else:
            with pytest.raises(ValueError, match="recording is not a whole recording: more bytes crossed the sockets"):
                read(tmp_path / "recording")


@pytest.mark.anyio
async def test_a_recording_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    recorder = Recorder()
    async with serving(observer=recorder) as running:
        await ask(running.port, "/short-poll")
        recorder.mark(running.link)
    path = tmp_path / "recording"
    recorder.write(path)
    lines = path.read_text().splitlines(keepends=True)
    assert [next(iter(json.loads(line))) for line in lines] == ["mark", "connection", "truncated"]
    for kept in range(len(lines)):
        path.write_text("".join(lines[:kept]))
        with pytest.raises(ValueError, match="not a whole recording"):
            read(path)
    path.write_text("".join(lines)[:-20])
    with pytest.raises(ValueError):  # in the middle of a line: whatever json says
        read(path)
