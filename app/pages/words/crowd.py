"""The crowd page around its lanes: why the two differ, and what is measured."""

from typing import NamedTuple

from markupsafe import Markup


class FanOut(NamedTuple):
    """How everybody is told: in words, and in code, with the address of all of it."""

    title: str
    how: str
    code: str
    all: str
    address: str


TITLE = "Crowd"
HEADING = "What does it cost to tell everybody?"
SENTENCE = "One message for many readers: when does the last one have it?"

DIFFERENCE = "What the difference is"
FAN_OUTS = (
    FanOut(
        "Tasks: one for each reader",
        "The simplest server: each reader has a task that waits for what is new. A message wakes all of them. Then "
        "each takes its turn: it looks up what is new for its reader, makes the frame, and writes it. The last of 200 "
        "readers waits until 199 others had theirs.",
        """async def push(log, cursor, socket):  # one of 200 tasks
    async for batch in log.follow(cursor):  # all 200 wake up
        for update in batch.updates:
            await socket.send_text(update.json)  # each makes its frame
""",
        "All of app/transports/websocket.py",
        "/code/websocket.py",
    ),
    FanOut(
        "Hub: one loop for all readers",
        "Readers who have read everything so far are all due the same bytes. So nobody has to be woken: one loop makes "
        "the frame once and writes it to one connection after the other. What remains for each reader is the write "
        "itself, which is the operating system’s work.",
        """async for batch in log.follow(cursor):  # one loop wakes up
    data = frame(batch)  # one frame
    for connection in caught_up:  # all who have read everything
        connection.write(data)  # 200 writes
""",
        "All of app/fanout.py",
        "/code/fanout.py",
    ),
)
ORDER = (
    "In both lanes the readers get theirs one after the other: a server with one event loop writes to one connection "
    "at a time. The difference is how long each of them takes."
)
COUNTED = "What is measured"
NOTES = (
    Markup(
        "Each lane has readers of its own, and the message is published in one lane and then in the other, in turns. "
        "A delay runs from when the server publishes to when the reader’s process has read the bytes. A mark is a "
        "reader: the first to have it at the bottom, the last on top. The bar is the median of the last reader’s delay "
        "over all messages, and faint lines are earlier messages. The first message after connecting takes longer and "
        "is not counted."
    ),
    Markup(
        'A browser can’t open that many connections (see <a href="/limits">Limits</a>), so the server starts two '
        "processes for the readers, on its own machine. They share its processors: the delay includes the time that "
        "reading takes, and no network. Other programs that are busy there, this browser included, make everything "
        "slower."
    ),
)
