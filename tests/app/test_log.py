"""The log, its one promise first: whatever is published and read in whatever order, nobody has a gap unknowingly."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app import log as log_module
from app.log import BATCH_MAX, KEEP, MessageLog
from app.message import BadInput, Batch, Cursor, Message, Missed
from tests.clock import run_jumping

SMALL_BATCH = 4


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "BATCH_MAX", SMALL_BATCH)


class Interleavings(RuleBasedStateMachine):
    """Publishing, restarts, and readers with cursors of all kinds, in any order; `published` is the truth."""

    @initialize(keep=st.integers(1, 9))
    def start(self, keep: int) -> None:
        self.keep = keep
        self.restart()
        self.readers = [self.log.newest]

    @rule()
    def restart(self) -> None:
        self.log = MessageLog(self.keep)
        self.published: list[Message] = []

    @rule(count=st.integers(1, 6))
    def publish(self, count: int) -> None:
        for _ in range(count):
            text = f"message {len(self.published) + 1}"
            message = self.log.publish(text)
            assert message.text == text
            assert message.cursor == Cursor(self.log.epoch, len(self.published) + 1)
            self.published.append(message)

    @rule(after=st.none() | st.just("0"))
    def join(self, after: str | None) -> None:
        """A new reader: from now on, or from the oldest that is kept."""
        cursor = self.log.resolve_cursor(after)
        kept = min(self.keep, len(self.published))
        assert cursor.seq == len(self.published) - (0 if after is None else kept)
        self.readers.append(cursor)

    @rule(
        epoch=st.sampled_from(["this", "other"]), end=st.sampled_from(["oldest", "newest"]), beyond=st.integers(-9, 9)
    )
    def bring(self, epoch: str, end: str, beyond: int) -> None:
        """A reader with any cursor at all: valid, expired, of another epoch, or ahead."""
        seq = max(0, getattr(self.log, end).seq + beyond)
        cursor = self.log.resolve_cursor(str(Cursor(self.log.epoch if epoch == "this" else "0ther", seq)))
        self.ask(cursor)
        self.readers.append(cursor)

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        who = data.draw(st.integers(0, len(self.readers) - 1))
        self.readers[who] = self.ask(self.readers[who])

    def ask(self, cursor: Cursor) -> Cursor:
        """A reader gets all kept messages behind its cursor, or is told where it resumes."""
        batch = self.log.after(cursor)
        oldest = max(0, len(self.published) - self.keep)
        if cursor.epoch != self.log.epoch:
            reason = "restarted"
        elif cursor.seq > len(self.published):
            reason = "ahead"
        else:
            reason = "expired" if cursor.seq < oldest else ""
        start = oldest if reason else cursor.seq
        assert batch.missed == (Missed(reason, Cursor(self.log.epoch, oldest)) if reason else None)
        assert list(batch.messages) == self.published[start : start + SMALL_BATCH]
        assert batch.cursor == Cursor(self.log.epoch, start + len(batch.messages))
        return batch.cursor

    @invariant()
    def bounded(self) -> None:
        oldest = max(0, len(self.published) - self.keep)
        assert self.log.oldest == Cursor(self.log.epoch, oldest)
        assert self.log.newest == Cursor(self.log.epoch, len(self.published))


@pytest.mark.usefixtures("small_batches")
def test_any_interleaving_of_publishing_and_reading_is_without_a_silent_gap() -> None:
    run_state_machine_as_test(Interleavings, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))


def updates(batches: list[Batch]) -> list[Message | Missed]:
    return [update for batch in batches for update in batch.updates]


def check_complete(update: list[Message | Missed], published: list[Message], start: int) -> None:
    """Every message once, in order, from `start` to the end, but for what a Missed says."""
    place = start
    for one in update:
        if isinstance(one, Missed):
            assert one.reason == "expired"
            assert place < one.cursor.seq <= len(published)
            place = one.cursor.seq
        else:
            assert one == published[place]
            place += 1
    assert place == len(published)


@pytest.mark.usefixtures("small_batches")
@settings(deadline=None)
@given(
    keep=st.integers(1, 12),
    steps=st.lists(st.sampled_from(["publish", "publish five", "follow", "let them run"]), max_size=40),
)
def test_followers_get_everything_once_and_in_order_and_end_with_the_log(keep: int, steps: list[str]) -> None:
    async def scenario() -> None:
        log = MessageLog(keep)
        published: list[Message] = []
        followers: list[tuple[int, list[Batch], asyncio.Task[None]]] = []

        async def follow(cursor: Cursor, into: list[Batch]) -> None:
            async for batch in log.follow(cursor):
                into.append(batch)
                await asyncio.sleep(0)  # a reader that writes to a socket lets others run

        for step in [*steps, "follow"]:
            if step == "follow":
                into: list[Batch] = []
                followers.append((len(published), into, asyncio.create_task(follow(log.newest, into))))
            elif step == "let them run":
                for _ in range(3):
                    await asyncio.sleep(0)
            else:
                published += [log.publish("news") for _ in range(5 if "five" in step else 1)]
        log.close()
        await asyncio.gather(*(task for _, _, task in followers))
        for start, into, _ in followers:
            assert all(batch.updates for batch in into)
            check_complete(updates(into), published, start)

    run_jumping(scenario())


def test_a_batch_has_a_limit_and_the_next_one_continues() -> None:
    log = MessageLog()
    published = [log.publish(str(i)) for i in range(2 * BATCH_MAX + 7)]
    batches, cursor = [], log.resolve_cursor("0")
    while (batch := log.after(cursor)).messages:
        batches.append(batch)
        cursor = batch.cursor
    assert [len(batch.messages) for batch in batches] == [BATCH_MAX, BATCH_MAX, 7]
    assert updates(batches) == published


def test_it_keeps_as_many_as_it_says() -> None:
    log = MessageLog()
    for _ in range(KEEP + 3):
        log.publish("a")
    assert (log.oldest.seq, log.newest.seq) == (3, KEEP + 3)
    with pytest.raises(ValueError, match="at least one"):
        MessageLog(0)


def test_every_log_is_an_epoch_of_its_own() -> None:
    assert len({MessageLog().epoch for _ in range(100)}) == 100


@pytest.mark.parametrize("after", ["", "1", "00", "latest", "-1"])
def test_what_is_not_a_cursor_is_refused(after: str) -> None:
    with pytest.raises(BadInput, match="is not a cursor"):
        MessageLog().resolve_cursor(after)


def test_waiting_ends_with_the_next_message() -> None:
    async def scenario() -> None:
        log, clock = MessageLog(), asyncio.get_running_loop().time
        waiting = [asyncio.create_task(log.wait_after(log.newest, 30)) for _ in range(3)]
        await asyncio.sleep(10)
        message = log.publish("hello")
        assert [(await one).updates for one in waiting] == [(message,)] * 3
        assert clock() == 10

    run_jumping(scenario())


def test_waiting_ends_empty_after_its_time() -> None:
    async def scenario() -> None:
        log, clock = MessageLog(), asyncio.get_running_loop().time
        log.publish("old")
        assert await log.wait_after(log.newest, 30) == Batch((), log.newest)
        assert clock() == pytest.approx(30)
        assert await log.wait_after(log.newest, 0) == Batch((), log.newest)

    run_jumping(scenario())


@pytest.mark.parametrize("cursor", ["0", "aaaa-7", "ahead"])
def test_a_reader_with_something_to_read_does_not_wait(cursor: str) -> None:
    async def scenario() -> None:
        log = MessageLog()
        message = log.publish("hello")
        place = log.resolve_cursor(f"{log.epoch}-9" if cursor == "ahead" else cursor)
        batch = await log.wait_after(place, None)
        assert batch.messages == (message,)
        assert (batch.missed is None) == (cursor == "0")

    run_jumping(scenario())


def test_closing_releases_waiting_and_later_readers() -> None:
    async def scenario() -> None:
        log = MessageLog()
        waiting = asyncio.create_task(log.wait_after(log.newest, None))
        following = asyncio.create_task(anext(log.follow(log.newest), None))
        await asyncio.sleep(1)
        log.close()
        assert (await waiting).updates == ()
        assert await following is None
        assert (await log.wait_after(log.newest, None)).updates == ()
        message = log.publish("last words")
        assert [batch.updates async for batch in log.follow(log.resolve_cursor("0"))] == [(message,)]

    run_jumping(scenario())


def test_a_follower_is_told_of_silence() -> None:
    async def scenario() -> None:
        log, clock = MessageLog(), asyncio.get_running_loop().time
        following = log.follow(log.newest, idle_s=15)
        for beat in (15, 30):
            assert (await anext(following)).updates == ()
            assert clock() == pytest.approx(beat)
        message = log.publish("at last")
        assert (await anext(following)).updates == (message,)
        await following.aclose()  # type: ignore[attr-defined]

    run_jumping(scenario())


Wait = Callable[[MessageLog], Coroutine[Any, Any, Any]]


@pytest.mark.parametrize(
    "wait",
    [
        lambda log: log.wait_after(log.newest, None),
        lambda log: log.wait_after(log.newest, 60),
        lambda log: anext(log.follow(log.newest)),
        lambda log: anext(log.follow(log.newest, 60)),
    ],
    ids=["wait", "wait with a limit", "follow", "follow with a heartbeat"],
)
def test_a_reader_that_gives_up_leaves_nothing_behind(wait: Wait) -> None:
    def futures() -> int:
        gc.collect()
        return sum(isinstance(thing, asyncio.Future) for thing in gc.get_objects())

    async def scenario() -> None:
        log = MessageLog()
        before = futures()
        waiting = [asyncio.ensure_future(wait(log)) for _ in range(200)]
        await asyncio.sleep(0)
        assert futures() >= before + 400  # the tasks, and what each of them waits for
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        del waiting, one
        await asyncio.sleep(0)  # the loop itself still holds what woke us
        assert futures() == before

    run_jumping(scenario())
