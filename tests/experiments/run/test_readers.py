"""The readers' process: when it is ready, what it sends back, and that it reports its failure."""

import asyncio
import contextlib
import itertools
import multiprocessing
from collections.abc import AsyncIterator
from typing import Any

import pytest

import clients.raw
from app.link import Upgrades
from app.log import MessageLog
from clients.headers import browser
from experiments.design import Condition, Run
from experiments.run.observe import PROCESSES, reading, receive
from experiments.run.readers import LAST, Opened, Received, note_connections
from experiments.run.readers import receive as receiving
from experiments.run.serving import Failed
from experiments.run.usage import Usage
from experiments.schedule import PRELOADED
from experiments.variants import VARIANTS
from tests.serving import LIMIT_S, Running, Wire, eventually, serving
from tests.witness import Witness

pytestmark = pytest.mark.anyio
PROCESSES.set_forkserver_preload(PRELOADED)


def a_run(variant: str, **more: Any) -> Run:
    transport, _, via = variant.partition(" ")
    fields = {"pause_s": 0.05 if transport == "short_poll" else 0.0, "clients": 3, "client": "raw", "via": via, **more}
    return Run(Condition(transport, **fields), 0, 1.0, seed=1)


@contextlib.asynccontextmanager
async def reading_from(run: Run, running: Running, after: str = "0") -> AsyncIterator[Any]:
    """The pipe to a process with the run's readers; the process has ended with the block."""
    before = set(multiprocessing.active_children())
    async with reading(run, (running.url, after)) as pipe:
        yield pipe
    assert set(multiprocessing.active_children()) == before


@pytest.mark.parametrize("client", ["raw", "library"])
@pytest.mark.parametrize("variant", VARIANTS)
async def test_they_are_ready_when_everybody_has_heard_something_and_bring_home_everything(
    variant: str, client: str
) -> None:
    witness = Witness()
    async with serving(observer=witness) as running, reading_from(a_run(variant, client=client), running) as pipe:
        await eventually(lambda: len(running.link.connections) >= 3)
        assert not pipe.poll()  # nobody has heard anything yet
        first = running.log.publish("first")
        assert await receive(pipe, LIMIT_S) == "ready"
        published = [first, *(running.log.publish(str(number)) for number in range(20)), running.log.publish(LAST)]
        received = await receive(pipe, LIMIT_S)
        pipe.send("end")
    assert isinstance(received, Received)
    for client_number in range(3):
        its = [(seq, at_ns) for number, seq, at_ns in received.messages if number == client_number]
        assert [seq for seq, _ in its] == [message.cursor.seq for message in published]
        times_ns = [at_ns for _, at_ns in its]
        assert times_ns == sorted(times_ns)
        for message, at_ns in zip(published, times_ns, strict=True):
            assert at_ns > message.published_ms * 1e6
        ports = [opened.port for opened in received.connections[client_number]]
        assert len(ports) == 1 or variant.startswith("socket_io")
        mine = b"".join(p.data for p in witness.saw if p.connection.client_port in ports and p.direction == "down")
        assert all(message.json.encode() in mine for message in published)
    assert received.missed == 0
    assert received.connections.keys() == {0, 1, 2}


@pytest.mark.parametrize("upgrades", ["refuse", "cut"])
@pytest.mark.parametrize("client", ["raw", "library"])
async def test_where_nothing_can_arrive_they_are_ready_at_once_and_go_on_trying(
    client: str, upgrades: Upgrades
) -> None:
    witness = Witness()
    run = a_run("websocket", client=client, upgrades=upgrades)
    async with serving(upgrades=upgrades, observer=witness) as running, reading_from(run, running) as pipe:
        assert await receive(pipe, LIMIT_S) == "ready"
        running.log.publish(LAST)
        await eventually(
            lambda: sum(p.data.startswith(b"GET /websocket") for p in witness.saw) >= 6
        )  # each tries again
        pipe.send("end")
        received = await receive(pipe, LIMIT_S)
    assert received.messages == []


async def test_they_end_when_told_to_with_what_there_is() -> None:
    log = MessageLog()
    log.publish("first")
    async with serving(log) as running, reading_from(a_run("websocket"), running) as pipe:
        assert await receive(pipe, LIMIT_S) == "ready"
        pipe.send("end")
        received = await receive(pipe, LIMIT_S)
    assert [(number, seq) for number, seq, _ in sorted(received.messages)] == [(0, 1), (1, 1), (2, 1)]
    before, after = received.usage
    assert 0 < before.cpu_ns < after.cpu_ns
    assert before.at_ns < after.at_ns


async def test_they_count_what_they_were_told_that_they_missed_and_every_connection() -> None:
    log = MessageLog()
    log.publish("first")
    async with serving(log) as running, reading_from(a_run("sse"), running, "0thers-7") as pipe:
        assert await receive(pipe, LIMIT_S) == "ready"
        running.link.cut()
        await eventually(lambda: len(running.link.connections) == 3)
        running.log.publish(LAST)
        received = await receive(pipe, LIMIT_S)
        pipe.send("end")
    assert received.missed == 3
    assert [*map(len, received.connections.values())] == [2, 2, 2]


async def test_what_a_reader_is_refused_is_said() -> None:
    async with serving() as running, reading_from(a_run("sse"), running, "seven") as pipe:
        with pytest.raises(Failed, match=r"failed: ValueError: 400: .*'seven' is not a cursor"):
            await receive(pipe, LIMIT_S)


async def test_readers_that_die_are_missed_in_plain_words() -> None:
    async with serving() as running, reading_from(a_run("sse"), running) as pipe:
        await eventually(lambda: len(running.link.connections) == 3)
        for process in multiprocessing.active_children():
            process.kill()
        with pytest.raises(Failed, match="the other process ended without a result"):
            await receive(pipe, LIMIT_S)


async def test_readers_that_say_nothing_are_not_waited_for_for_ever() -> None:
    here, there = PROCESSES.Pipe()
    with here, there, pytest.raises(TimeoutError, match=r"sent nothing for 0.05 s"):
        await receive(here, 0.05)


@pytest.mark.parametrize("goodbye", ["before they are ready", "when they are ready"])
async def test_readers_whose_pipe_is_closed_end(goodbye: str) -> None:
    async with serving() as running, reading_from(a_run("long_poll"), running) as pipe:
        await eventually(lambda: len(running.link.connections) == 3)
        if goodbye == "when they are ready":
            running.log.publish("first")
            assert await receive(pipe, LIMIT_S) == "ready"
        (process,) = multiprocessing.active_children()
        pipe.close()
        await eventually(lambda: not process.is_alive())
        assert process.exitcode == 0


@pytest.mark.parametrize(
    ("client", "headers", "line"),
    [
        ("library", "library", b"User-Agent: python-httpx/"),
        ("raw", "library", b"User-Agent: python-httpx/"),
        ("raw", "browser", b"Sec-Fetch-Mode: cors"),
    ],
)
async def test_the_conditions_client_and_headers_are_used(client: Any, headers: Any, line: bytes) -> None:
    witness = Witness()
    condition = Condition("short_poll", pause_s=0.01, client=client, headers=headers)
    async with serving(observer=witness) as running:
        running.log.publish("hello")
        async with contextlib.aclosing(receiving(condition, running.url, "0")) as stream:  # type: ignore[type-var]
            await anext(stream)
            module = clients.short_poll if client == "library" else clients.raw
            assert stream.ag_code.co_filename == module.__file__  # type: ignore[attr-defined]
        asked = b"".join(piece.data for piece in witness.saw if piece.direction == "up")
        assert line in asked
        assert (browser("short_poll", running.host).encode() in asked) == (headers == "browser")


async def test_a_connection_is_noted_for_the_client_that_opened_it() -> None:
    connections: dict[int, list[Opened]] = {}
    client = note_connections(asyncio.get_running_loop(), connections)

    async def connect(number: int, times: int, port: int) -> list[int]:
        client.set(number)
        made = []
        for _ in range(times):
            async with Wire.to(port) as wire:
                made.append(wire.port)
                await asyncio.sleep(0)
        return made

    async with serving() as running:
        made = await asyncio.gather(*(connect(number, 2, running.port) for number in range(3)))
    assert {number: [opened.port for opened in its] for number, its in connections.items()} == dict(enumerate(made))


def test_usage_is_of_this_process() -> None:
    first = Usage.now()
    sum(range(300_000))
    second = Usage.now()
    assert second.cpu_ns > first.cpu_ns
    assert second.at_ns > first.at_ns
    if first.waited_ns is not None and first.waits is not None:
        assert second.waited_ns is not None and second.waited_ns >= first.waited_ns >= 0
        assert second.waits is not None and second.waits >= first.waits > 0


async def test_pollers_are_at_different_phases_however_long_it_took_to_make_them() -> None:
    """Made one after the other, with a slow first request each, they would all poll at once."""
    log, witness, pause_s = MessageLog(), Witness(), 0.5
    log.publish("first")
    run = a_run("short_poll", client="library", clients=5, pause_s=pause_s)
    async with serving(log, observer=witness) as running, reading_from(run, running) as pipe:
        assert await receive(pipe, LIMIT_S) == "ready"
        seen = len(witness.saw)

        def asked_ns() -> dict[int, list[int]]:
            times: dict[int, list[int]] = {}
            for piece in witness.saw[seen:]:
                if piece.direction == "up":
                    times.setdefault(piece.connection.number, []).append(piece.at_ns)
            return times

        await eventually(lambda: len(asked_ns()) == 5 and min(map(len, asked_ns().values())) >= 3)
        phases_s = sorted(times[2] / 1e9 % pause_s for times in asked_ns().values())
        pipe.send("end")
        await receive(pipe, LIMIT_S)
    gaps_s = [b - a for a, b in itertools.pairwise([*phases_s, phases_s[0] + pause_s])]
    assert max(gaps_s) < 0.8 * pause_s
