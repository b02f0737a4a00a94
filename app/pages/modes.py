"""What the pages say of each transport: for somebody who has never heard of it."""

from dataclasses import dataclass

from app.transports import TRANSPORTS


@dataclass(frozen=True)
class Mode:
    """A transport's page. `watch_for` is what to see in the ladder diagram, step by step."""

    name: str
    sentence: str
    watch_for: tuple[str, ...]
    when: str

    @property
    def path(self) -> str:
        return self.name.replace("_", "-")


MODES = (
    Mode(
        "short_poll",
        "The browser asks again and again: is there anything new? The server answers at once, mostly with no.",
        (
            "An arrow goes out: the browser asks. The answer comes back at once.",
            "A hollow dot on the right: a message is published. Nobody tells the browser; the message waits.",
            "The next question picks it up. The filled dot on the left is where the browser gets it, late.",
            "Grey dashed arrows are answers with nothing in them. They cost as much as the others.",
        ),
        "News may be late by a few seconds, or comes so often that every question finds some.",
    ),
    Mode(
        "long_poll",
        "The browser asks, and the server holds the question until it has an answer. Then the browser asks again.",
        (
            "An arrow goes out: the browser asks. No answer comes: the bar on the right is the held question.",
            "A hollow dot: a message is published. It answers the held question at once.",
            "The browser gets the message (filled dot) and asks again in the same moment.",
            "A message that is published while no question is there waits for the next one: about a round trip.",
        ),
        "News has to be there at once, and nothing but plain requests and answers gets through.",
    ),
    Mode(
        "sse",
        "The browser asks once, and the answer never ends: whenever there is news, the server writes some more of it.",
        (
            "One arrow goes out: the only question. The answer begins; the bar on the right says that it is not over.",
            "A hollow dot: a message is published. It leaves at once, as a few more bytes of the same answer.",
            "Cut the connection: the browser comes back by itself and says what it had seen last. Nothing is missed.",
        ),
        "Only the server has news to tell: feeds, progress, notifications. Plain HTTP, and it reconnects by itself.",
    ),
    Mode(
        "websocket",
        "The browser asks to change the protocol. From then on, both sides send what they like, when they like.",
        (
            "One request goes out, with Upgrade: websocket. The answer is 101: the last HTTP on this connection.",
            "A hollow dot: a message is published. It leaves at once, with 2 to 4 bytes in front of it.",
            "Cut the connection: nothing in the protocol brings it back. Our script reconnects and says where it was.",
        ),
        "Both sides have much to say: chat, games, editing together.",
    ),
    Mode(
        "socket_io",
        "A library that polls first, moves to WebSocket if that gets through, and comes back by itself.",
        (
            "Plain requests first: a session is begun (handshake), and the browser polls, as in long polling.",
            "Beside them a WebSocket is tried: the probe. It gets through, so everything moves there (upgrade).",
            "From here on it is a WebSocket: a message leaves at once, in a frame, with 14 bytes more around it.",
            "Choose “refused” or “cut off” for WebSocket: it falls back to polling, and no message is lost.",
            "Cut the connection: the library brings it back, and our script says where it was: nothing is missed.",
        ),
        "It has to get through every network, events have names and answers, and both sides can have the library.",
    ),
)

assert [mode.name for mode in MODES] == list(TRANSPORTS)  # in teaching order
