"""The publisher is on time, in order and open-loop, and says so when the server does not do its part."""

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.message import TEXT_MAX_BYTES
from experiments.run import publisher as module
from experiments.run.publisher import Publication, Publisher
from tests.serving import LIMIT_S, ask, server_process


@dataclass
class Requests:
    """What a server was sent, as it came: the texts, and when each was there."""

    texts: list[str] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.texts) >= count, LIMIT_S)

    def read(self, connection: socket.socket) -> None:
        """Everything that comes, until the publisher closes."""
        unread = b""
        while data := connection.recv(65_536):
            unread += data
            while match := re.match(rb"POST /messages HTTP/1\.1\r\n(?:.+\r\n)*?Content-Length: (\d+)\r\n\r\n", unread):
                end = match.end() + int(match[1])
                if len(unread) < end:
                    break
                with self.came:
                    self.texts.append(json.loads(unread[match.end() : end])["text"])
                    self.times_ns.append(time.monotonic_ns())
                    self.came.notify_all()
                unread = unread[end:]


@contextlib.contextmanager
def listening(path: Path, respond: Callable[[socket.socket, Requests], None]) -> Iterator[Requests]:
    """A server on a Unix socket, for one publisher: reads all the time, and responds as `respond` does."""
    requests = Requests()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as connection:
                reading = threading.Thread(target=requests.read, args=(connection,))
                reading.start()
                respond(connection, requests)
                reading.join()

        serving = threading.Thread(target=serve)
        serving.start()
        yield requests
        serving.join()


def created(number: int, text: str = "") -> bytes:
    """The server's response to the publication that became message `number`."""
    body = json.dumps({"cursor": f"abc-{number}", "text": text, "published_ms": 1000.0 + number}).encode()
    return b"HTTP/1.1 201 Created\r\nserver: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def soon(*after_ms: float) -> list[tuple[int, str]]:
    """Messages that are due so many milliseconds from now."""
    now_ns = time.monotonic_ns()
    return [(now_ns + round(ms * 1e6), f"message {number}") for number, ms in enumerate(after_ms)]


def test_it_publishes_on_while_responses_are_held_back(tmp_path: Path) -> None:
    many = 50

    def hold(connection: socket.socket, requests: Requests) -> None:
        requests.wait_for(many)  # a publisher that waits for a response would wait for ever
        connection.sendall(b"".join(map(created, range(1, many + 1))))

    due = soon(*range(many))
    with listening(tmp_path / "in", hold) as requests, contextlib.closing(Publisher(tmp_path / "in")) as publisher:
        published = publisher.publish(due)
    assert requests.texts == [text for _, text in due]
    assert [(p.due_ns, p.text) for p in published] == due
    assert [p.cursor for p in published] == [f"abc-{number}" for number in range(1, many + 1)]
    assert [p.published_ns for p in published] == [1_000_000_000 + number * 1_000_000 for number in range(1, many + 1)]


def test_nothing_is_sent_before_it_is_due_and_everything_in_order(tmp_path: Path) -> None:
    due = soon(-5, 20, 20, 20.3, 60, 35, 36)  # in the past, at once, and out of order: not before the one in front

    def respond(connection: socket.socket, requests: Requests) -> None:
        for number in range(1, len(due) + 1):
            requests.wait_for(number)
            connection.sendall(created(number))

    with listening(tmp_path / "in", respond) as requests, contextlib.closing(Publisher(tmp_path / "in")) as publisher:
        published = publisher.publish(due)
    assert requests.texts == [text for _, text in due]
    for publication, came_ns, (due_ns, _) in zip(published, requests.times_ns, due, strict=True):
        assert due_ns == publication.due_ns <= publication.sent_ns <= came_ns
    assert [p.sent_ns for p in published] == sorted(p.sent_ns for p in published)


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_responses_may_come_in_any_pieces(size: int, tmp_path: Path) -> None:
    def crumble(connection: socket.socket, requests: Requests) -> None:
        requests.wait_for(3)
        responses = created(1, "\r\n\r\n") + created(2) + created(3)
        for start in range(0, len(responses), size):
            connection.sendall(responses[start : start + size])

    with listening(tmp_path / "in", crumble), contextlib.closing(Publisher(tmp_path / "in")) as publisher:
        assert [p.cursor for p in publisher.publish(soon(0, 0, 0))] == ["abc-1", "abc-2", "abc-3"]


def test_ten_times_as_many_responses_take_about_ten_times_as_long(tmp_path: Path) -> None:
    def took_s(count: int) -> float:
        def respond(connection: socket.socket, _: Requests) -> None:
            connection.sendall(b"".join(created(number, "x" * 2_000) for number in range(count)))

        path = tmp_path / str(count)
        with listening(path, respond), contextlib.closing(Publisher(path)) as publisher:
            began_s = time.thread_time()
            assert len(publisher.publish([(0, "a")] * count)) == count
            return time.thread_time() - began_s

    assert took_s(6_000) < 30 * took_s(600)  # quadratic: a hundred times


def test_one_after_the_other_with_responses_left_from_before(tmp_path: Path) -> None:
    def respond(connection: socket.socket, requests: Requests) -> None:
        for number in (1, 2, 3):
            requests.wait_for(number)
            connection.sendall(created(number))

    with listening(tmp_path / "in", respond) as requests, contextlib.closing(Publisher(tmp_path / "in")) as publisher:
        assert publisher.publish([]) == []
        assert [publisher.now(text).cursor for text in ("a", "b")] == ["abc-1", "abc-2"]
        assert [p.cursor for p in publisher.publish(soon(0))] == ["abc-3"]
    assert requests.texts == ["a", "b", "message 0"]


REFUSAL = b'HTTP/1.1 400 Bad Request\r\ncontent-length: 20\r\n\r\n{"error": "too old"}'


@pytest.mark.parametrize(
    ("responses", "why"),
    [
        (REFUSAL, 'the server did not publish: b\'{"error": "too old"}'),
        (created(1) + REFUSAL + created(3), 'the server did not publish: b\'{"error": "too old"}'),
        (b"", "the server closed the publisher's connection"),
        (created(1), "the server closed the publisher's connection"),
        (created(1) + created(2) + created(3)[:-1], "the server closed the publisher's connection"),
    ],
    ids=["refusal", "refusal in between", "nothing", "one response", "all but a byte"],
)
def test_a_server_that_refuses_or_disconnects_is_an_error(responses: bytes, why: str, tmp_path: Path) -> None:
    def respond(connection: socket.socket, requests: Requests) -> None:
        requests.wait_for(3)
        connection.sendall(responses)
        connection.shutdown(socket.SHUT_WR)

    with (
        listening(tmp_path / "in", respond),
        contextlib.closing(Publisher(tmp_path / "in")) as publisher,
        pytest.raises(OSError, match=re.escape(why)),
    ):
        publisher.publish(soon(0, 0, 0))


def test_a_server_that_hangs_up_before_everything_was_due_is_an_error(tmp_path: Path) -> None:
    def leave(connection: socket.socket, requests: Requests) -> None:
        requests.wait_for(1)
        connection.shutdown(socket.SHUT_RDWR)

    with (
        listening(tmp_path / "in", leave),
        contextlib.closing(Publisher(tmp_path / "in")) as publisher,
        pytest.raises(OSError, match=r"Broken pipe|Connection reset|closed the publisher"),
    ):
        publisher.publish(soon(*range(100)))


def test_a_server_that_does_not_respond_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESPONSE_TIMEOUT_S", 0.05)
    with (
        listening(tmp_path / "in", lambda connection, requests: None),
        contextlib.closing(Publisher(tmp_path / "in")) as publisher,
        pytest.raises(OSError, match="timed out"),
    ):
        publisher.now("hello?")


def test_no_server_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Publisher(tmp_path / "in")


@pytest.mark.parametrize("due_ms", [(0, 3_600_000), (0,)], ids=["a message that is not due", "a response"])
def test_a_publisher_that_is_closed_waits_no_longer_for(due_ms: tuple[float, ...], tmp_path: Path) -> None:
    raised: list[OSError] = []

    def publish(publisher: Publisher) -> None:
        try:
            publisher.publish(soon(*due_ms))
        except OSError as problem:
            raised.append(problem)

    with listening(tmp_path / "in", lambda _, requests: requests.wait_for(1)) as requests:
        publisher = Publisher(tmp_path / "in")
        publishing = threading.Thread(target=publish, args=(publisher,), daemon=True)
        publishing.start()
        requests.wait_for(1)
        publisher.close()
        publishing.join(LIMIT_S)
    assert not publishing.is_alive()
    assert len(raised) == 1


@pytest.mark.anyio
async def test_the_real_server_publishes_what_comes_in_a_burst_of_long_messages(tmp_path: Path) -> None:
    def publish() -> tuple[Publication, list[Publication]]:
        with contextlib.closing(Publisher(tmp_path / "in")) as publisher:
            first = publisher.now("warm-up")
            # Far more than all buffers on the way take, and its responses too.
            return first, publisher.publish([(0, f"{number:04} " + "長" * 5_000) for number in range(300)])

    async with server_process("--unix", str(tmp_path / "in")) as server:
        before_ns = time.monotonic_ns()
        first, published = await asyncio.to_thread(publish)
        after_ns = time.monotonic_ns()
        _, body = await ask(server.port, "/short-poll?after=0")
        messages = json.loads(body)["messages"]
        assert [m["text"] for m in messages] == [p.text for p in (first, *published)][: len(messages)]
        assert [m["cursor"] for m in messages] == [p.cursor for p in (first, *published)][: len(messages)]
        times_ns = [before_ns, *(p.published_ns for p in (first, *published)), after_ns]
        assert times_ns == sorted(times_ns)
        assert all(p.sent_ns <= p.published_ns for p in published)
        assert [int(p.cursor.split("-")[1]) for p in published] == [*range(2, 302)]


@pytest.mark.anyio
async def test_the_real_servers_refusal_is_an_error(tmp_path: Path) -> None:
    async with server_process("--unix", str(tmp_path / "in")):
        with contextlib.closing(await asyncio.to_thread(Publisher, tmp_path / "in")) as publisher:
            with pytest.raises(OSError, match=r"did not publish: .*1 to 16384 are accepted"):
                await asyncio.to_thread(publisher.now, "a" * (TEXT_MAX_BYTES + 1))
            assert (await asyncio.to_thread(publisher.now, "a")).cursor.endswith("-1")
