"""Every server of the benchmark speaks its transports correctly, as this project's clients and a crowd see it."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator

import httpx
import pytest

from app.message import Message, Update
from clients import CLIENTS, short_poll, socket_io
from experiments.bench.measures import TEXT, measuring, until_published
from experiments.bench.opening import Transport
from experiments.bench.servers import SERVERS
from tests.serving import LIMIT_S, eventually

EVERY = [(name, transport) for name, server in SERVERS.items() for transport in server.transports]


def needed(name: str) -> None:
    """Skips the test, or fails it where CI is set, if the server can't be installed."""
    if why := SERVERS[name].needs():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def receive(transport: Transport, url: str) -> AsyncIterator[Update]:
    if transport == "short_poll":
        return short_poll.receive(url, pause_s=0.01)
    return (
        socket_io.receive(url, transports=["websocket"])
        if transport == "socket_io"
        else CLIENTS[transport].receive(url)
    )


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "transport"), EVERY)
async def test_two_clients_receive_what_it_publishes(name: str, transport: Transport) -> None:
    needed(name)
    got: list[list[Update]] = [[], []]

    async def read(url: str, into: list[Update]) -> None:
        async for update in receive(transport, url):
            into += [update]

    with measuring(name, transport) as (program, _):
        url = f"http://127.0.0.1:{program.port}"
        reading = [asyncio.create_task(read(url, into)) for into in got]
        # Not every server says when a reader is there: publish until both have something.
        async with asyncio.timeout(LIMIT_S):
            while not all(got) and not any(task.done() for task in reading):
                program.say("publish 1 1 0")
                until_published(program)
                await asyncio.sleep(0.02)  # a reader that has just connected is given time to get it
        program.say("publish 2 3 2")
        until_published(program)
        program.say("publish 1 1 0")
        until_published(program)
        await eventually(lambda: got[0][-1:] == got[1][-1:] and min(map(len, got)) >= 7)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    assert got[0][-7:] == got[1][-7:]
    for its in got:
        messages = [update for update in its if isinstance(update, Message)]
        assert len(messages) == len(its)
        assert {message.text for message in messages} == {TEXT}
        first = messages[0].cursor
        assert [message.cursor.seq for message in messages] == list(range(first.seq, first.seq + len(messages)))
        times_ms = [message.published_ms for message in messages]
        assert times_ms == sorted(times_ms)


@pytest.mark.parametrize(("name", "transport"), [pair for pair in EVERY if pair[1] != "short_poll"])
def test_a_crowd_counts_every_message_once(name: str, transport: Transport) -> None:
    needed(name)
    with measuring(name, transport, processes=2) as (program, readers):
        readers.grow(3)
        for per_tick, ticks in ((1, 3), (5, 2)):
            readers.count(per_tick, ticks)
            program.say(f"publish {per_tick} {ticks} 5")
            for at_ns, published_ns in [readers.tick() for _ in range(ticks)]:
                assert published_ns is None or 0 < published_ns < at_ns
            readers.counted()
            until_published(program)
        readers.grow(4)
        assert readers.readers == 4


@pytest.mark.parametrize("name", [name for name, server in SERVERS.items() if "short_poll" in server.transports])
def test_polls_are_answered(name: str) -> None:
    needed(name)
    with measuring(name, "short_poll") as (_, readers):
        readers.grow(2)
        assert 20 < readers.poll(200, 0.3, seed=1).responses < 120
        assert 20 < readers.visit(200, 0.3, seed=1).responses < 120
        assert readers.poll(200, 0.1, seed=1).responses


@pytest.mark.parametrize("name", SERVERS)
def test_it_collects_its_garbage(name: str) -> None:
    needed(name)
    with measuring(name, SERVERS[name].transports[0]) as (program, _):
        program.say("collect")
        program.expect("collected")


@pytest.mark.parametrize("name", ["hub", "tasks", "http", "starlette"])
def test_a_held_poll_ends_when_its_time_is_over(name: str) -> None:
    needed(name)
    with measuring(name, "long_poll") as (program, _):
        url = f"http://127.0.0.1:{program.port}/long-poll?"
        cursor = httpx.get(f"{url}hold=0").json()["cursor"]
        held = httpx.get(f"{url}hold=0.1&after={cursor}").json()
    assert held == {"messages": [], "cursor": cursor}


@pytest.mark.parametrize("name", SERVERS)
def test_it_ends_when_nobody_can_tell_it_anything_any_more(name: str) -> None:
    needed(name)
    done = subprocess.run(SERVERS[name].command(TEXT), input=b"", capture_output=True, timeout=LIMIT_S, check=False)
    assert done.stdout.startswith(b"ready ")
    assert done.returncode == 0, done.stderr
