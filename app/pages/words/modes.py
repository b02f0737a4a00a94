"""The page of each transport: for somebody who has never heard of it."""

from typing import NamedTuple


class Mode(NamedTuple):
    """A transport in a sentence, what to watch for in the ladder diagram, step by step, and when to use it."""

    sentence: str
    watch_for: tuple[str, ...]
    when: str


WATCH_FOR = "What to watch for"
WHEN = "When to use it:"
CODE = "All of its code, as it runs here"

MODES = {
    "short_poll": Mode(
        "The browser asks again and again: is there anything new? The server responds at once, usually with “no”.",
        (
            "An arrow goes out: the browser sends a request. The response arrives at once.",
            "A hollow dot on the right: a message is published. The server can’t tell the browser, so the message "
            "waits.",
            "The next poll picks it up. The filled dot on the left is where it reaches the browser, late.",
            "Grey dashed arrows are empty responses. They cost almost as much as the others.",
        ),
        "A delay of a few seconds is fine, or messages are so frequent that every poll finds some.",
    ),
    "long_poll": Mode(
        "The browser sends a request, and the server holds it until there is a message. Then the browser sends the "
        "next one.",
        (
            "An arrow goes out: the browser sends a request. No response yet: the bar on the right is the held "
            "request.",
            "A hollow dot: a message is published. The held request gets its response at once.",
            "The browser gets the message (filled dot) and sends the next request right away.",
            "A message that is published while no request is at the server waits for the next one: up to a round trip.",
        ),
        "Messages have to arrive at once, and only plain requests and responses get through.",
    ),
    "sse": Mode(
        "The browser sends one request, and the response never ends: the server writes each message into it.",
        (
            "One arrow goes out: the only request. The response begins; the bar on the right shows that it stays open.",
            "A hollow dot: a message is published. It leaves at once, as a few more bytes of the same response.",
            "Cut the connection: the browser reconnects by itself and says what it saw last. Nothing is missed.",
        ),
        "Only the server has something to say: feeds, progress, notifications. Plain HTTP, and it reconnects by "
        "itself.",
    ),
    "websocket": Mode(
        "The browser asks to change the protocol. From then on, both sides can send messages at any time.",
        (
            "One request goes out, with Upgrade: websocket. The response is 101: the last HTTP on this connection.",
            "A hollow dot: a message is published. It leaves at once, with 2 to 4 bytes in front of it.",
            "Cut the connection: the protocol does not restore it. Our script reconnects and says where it was.",
        ),
        "Both sides send a lot: chat, games, collaborative editing.",
    ),
    "socket_io": Mode(
        "A library that starts with polling, upgrades to WebSocket if that gets through, and reconnects by itself.",
        (
            "Plain requests first: the browser gets a session (handshake) and polls, as in long polling.",
            "Meanwhile it tries a WebSocket: the probe. If that gets through, everything moves there (upgrade).",
            "From then on it is a WebSocket: a message leaves at once, in a frame, with 14 more bytes around it.",
            "Set WebSocket to “refused” or “cut off”: Socket.IO falls back to polling, and no message is lost.",
            "Cut the connection: the library reconnects, our script says where it was, and nothing is missed.",
        ),
        "It has to get through every network, you want named events and acknowledgements, and both sides can use the "
        "library.",
    ),
}
