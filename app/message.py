"""What a message is, how it is written, and how a reader names its position in the log.

A *cursor* is the position just after the last message that a reader has seen, written `EPOCH-SEQ`: the epoch names the
log (a restarted server begins a new one), the number names the message. To readers a cursor is an opaque string: they
send back what they were given.

Nothing here does I/O. The server and the clients share this file, so both sides of every transport write and
read the same JSON, and what differs between the transports is the transport alone.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple

TEXT_MAX_BYTES = 16_384
"""The longest text of a message, counted in UTF-8 bytes."""

NAME_MAX_CHARS = 40
"""The longest name of a sender, counted in code points."""

# No control characters, line ends or halves of a surrogate pair; and something visible.
NAME = re.compile(rf"(?=.*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{{1,{NAME_MAX_CHARS}}}")


class BadInput(ValueError):
    """A client sent something that is not accepted; the text says what was wrong and what is accepted."""


class Cursor(NamedTuple):
    """The position just after message number `seq` (0: before the first) of the log named `epoch`."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    @lru_cache(maxsize=256)  # a thousand readers are at a few cursors
    def parse(cls, text: str) -> "Cursor":
        """Read `EPOCH-SEQ`; raises BadInput for anything else."""
        match = re.fullmatch(r"([0-9a-z]{1,16})-([0-9]{1,15})", text, re.ASCII)
        if match is None:
            raise BadInput(f"{text[:40]!r} is not a cursor: send one that you were given, like '7f3a90c2-17'")
        return cls(match[1], int(match[2]))


People = tuple[tuple[str, str], ...]
"""The people present: (name, transport) of each."""


@dataclass(frozen=True)
class Message:
    """One entry of the log. `cursor` is the position just after it; `published_ms` is a monotonic clock's reading.

    Milliseconds are floats because a browser's numbers are: nanoseconds exceed 2**53. `name` is the sender's, as they
    gave it. `people` makes it a notice by the server: everybody who is in the chat now; nobody else can publish one.
    """

    cursor: Cursor
    text: str
    published_ms: float
    name: str | None = None
    people: People | None = None

    @cached_property
    def json(self) -> str:
        """`{"cursor": "7f3a90c2-17", "text": "...", "published_ms": 1234.567}`: written once, sent to everyone.

        With `"name": "..."` if it has one, and `"people": [["Ada", "sse"], ...]` if it is a notice.
        """
        # By hand: for one as small as this, the json module takes about three times as long.
        name = "" if self.name is None else f',"name":{quoted(self.name)}'
        people = "" if self.people is None else f',"people":{dumps(self.people)}'
        times = f'"published_ms":{self.published_ms}{name}{people}'
        return f'{{"cursor":"{self.cursor}","text":{quoted(self.text)},{times}}}'


@dataclass(frozen=True, slots=True)
class Missed:
    """Tells a reader that it has missed messages; reading continues at `cursor`.

    `reason` is `expired` (the log no longer keeps them), `restarted` (the cursor is of another epoch) or `ahead`
    (the cursor names a message that was never published).
    """

    reason: str
    cursor: Cursor

    @property
    def fields(self) -> dict[str, str]:
        return {"reason": self.reason, "cursor": str(self.cursor)}

    @property
    def json(self) -> str:
        """`{"missed": {"reason": "expired", "cursor": "7f3a90c2-12"}}`."""
        return dumps({"missed": self.fields})


Update = Message | Missed
"""What a reader is told: a message, or that some were missed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a read returns: the messages after a cursor, the cursor after them, and whether some were missed."""

    messages: tuple[Message, ...]
    cursor: Cursor
    missed: Missed | None = None

    @property
    def updates(self) -> tuple[Update, ...]:
        """Everything that is new, in order; empty when nothing happened."""
        return (self.missed, *self.messages) if self.missed else self.messages

    @property
    def json(self) -> str:
        """`{"messages": [...], "cursor": "..."}`, with a `missed` in front if there is one: a poll's response."""
        missed = self.missed.json[1:-1] + "," if self.missed else ""
        messages = ",".join(message.json for message in self.messages)
        return f'{{{missed}"messages":[{messages}],"cursor":"{self.cursor}"}}'


def position_json(cursor: Cursor) -> str:
    """`{"cursor": "7f3a90c2-17"}`: how a stream without ids of its own tells a new reader its cursor."""
    return dumps({"cursor": str(cursor)})


def read_batch(body: str | bytes) -> Batch:
    """The inverse of `Batch.json`; raises ValueError or KeyError for what this server never sends."""
    fields = json.loads(body)
    return Batch(
        tuple(_message(message) for message in fields["messages"]),
        Cursor.parse(fields["cursor"]),
        _missed(fields["missed"]) if "missed" in fields else None,
    )


def read_update(text: str | bytes) -> Update | Cursor:
    """The inverse of `Message.json`, `Missed.json` and `position_json`: one frame or event of a stream."""
    return update_in(json.loads(text))


def update_in(fields: Mapping[str, Any]) -> Update | Cursor:
    """The same, from what a library has already read as JSON."""
    if "missed" in fields:
        return _missed(fields["missed"])
    return _message(fields) if "text" in fields else Cursor.parse(fields["cursor"])


class Publication(NamedTuple):
    """What a client wants to publish."""

    text: str
    name: str | None = None


def read_publication(body: str | bytes) -> Publication:
    """Reads `{"text": "...", "name": "..."}`; the name is optional; raises BadInput."""
    return check_publication(read_json(body))


def check_publication(fields: object) -> Publication:
    """The same, from what a library has already read as JSON; raises BadInput."""
    if not isinstance(fields, dict) or not {"text"} <= set(fields) <= {"text", "name"}:
        raise BadInput('send {"text": "..."}: a JSON object with one string in it, or with a "name" beside it')
    return Publication(check_text(fields["text"]), check_name(fields["name"]) if "name" in fields else None)


def check_text(text: object) -> str:
    """A message's text; raises BadInput."""
    if not isinstance(text, str):
        raise BadInput('send {"text": "..."}: the text is a string')
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # half of a surrogate pair, written as an escape
        raise BadInput("the text is not valid Unicode: it has an unpaired surrogate") from None
    if not 0 < size <= TEXT_MAX_BYTES:
        raise BadInput(f"the text has {size} bytes: 1 to {TEXT_MAX_BYTES} are accepted")
    return text


def is_unseen(character: str) -> bool:
    """Whether it is invisible, or reverses what is beside it; joiners, which scripts and emoji need, are accepted."""
    return character == "\u3164" or (unicodedata.category(character) == "Cf" and character not in "\u200c\u200d")


def check_name(name: object) -> str:
    """A sender's name; raises BadInput."""
    if not isinstance(name, str) or not NAME.fullmatch(name) or any(map(is_unseen, name)):
        raise BadInput(
            f"this name is not accepted: give 1 to {NAME_MAX_CHARS} characters, no control characters, not only spaces"
        )
    return name


def read_json(body: str | bytes) -> Any:
    """The JSON in `body`, or None if it is none: broken, not UTF-8, or nested a thousand times."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _message(fields: Mapping[str, Any]) -> Message:
    people = tuple((name, transport) for name, transport in fields["people"]) if "people" in fields else None
    return Message(Cursor.parse(fields["cursor"]), fields["text"], fields["published_ms"], fields.get("name"), people)


def _missed(fields: Mapping[str, Any]) -> Missed:
    return Missed(fields["reason"], Cursor.parse(fields["cursor"]))


def dumps(fields: object) -> str:
    """JSON without spaces."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
