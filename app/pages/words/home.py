"""The home page: what the pages are, links for a lecture, and the same in a terminal."""

from markupsafe import Markup

TITLE = "How does a server send messages to a browser?"
LEAD = (
    "HTTP only answers requests: a server can’t send a message that nobody asked for. "
    "Here are {number} ways around that, live in your browser, drawn from the bytes on the wire."
)
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def lead(number: int) -> str:
    return LEAD.format(number=NUMBERS[number])


WHEN = "When:"

PAGES = (
    ("/race", "Race", "All of them side by side with the same messages: which is fastest, and at what price?"),
    ("/chat", "Chat", "People on all of them talk to each other. Pick one, cut it, and see what arrives late."),
    (
        "/crowd",
        "Crowd",
        "200 readers, one message: what does it cost to tell everybody, and when does the last have it?",
    ),
    ("/limits", "Limits", "Browser limits that surprise: the seventh stream waits, and hidden tabs slow down."),
    ("/claims", "Claims", "Six claims from a note of 2016, tested by measurement: which of them hold?"),
    ("#lecture", "Lecture", "Prepared links, keyboard shortcuts, and one page shared by a whole room."),
)

LECTURE = "Use it in a lecture"
LECTURE_LEAD = "All settings of a page are in its address, so you can prepare links. Some to start with:"
LINK = "Link"
SHOWS = "What it shows"
LINKS = (
    (
        "/modes/short-poll?pause=5&rate=0.2",
        "Short polling every 5 s",
        "Mostly empty responses, and a message that waits for seconds",
    ),
    (
        "/modes/short-poll?pause=0.2&rate=0.2&delay=50",
        "Short polling every 0.2 s",
        "“Real time” by frequent polling: look at the bytes per message",
    ),
    (
        "/modes/long-poll?rate=2&delay=300",
        "Long polling, busy and far away",
        "Messages published while no request is at the server wait for the next one",
    ),
    (
        "/modes/long-poll?hold=5&rate=0",
        "Long polling in silence",
        "A held request gets an empty response every 5 s; then press P",
    ),
    (
        "/modes/sse?rate=1&delay=300",
        "SSE",
        "One request, and a response that never ends; press X to cut it and watch it reconnect",
    ),
    (
        "/modes/websocket?rate=1&delay=300&stopped=1",
        "WebSocket, step by step",
        "Press “.” for each thing that happens, from the handshake on",
    ),
    (
        "/modes/socket-io?rate=1&delay=400",
        "Socket.IO",
        "It polls, tries WebSocket and upgrades, all in the first four seconds",
    ),
    (
        "/modes/socket-io?rate=1&upgrades=refuse",
        "Socket.IO behind a bad proxy",
        "WebSocket is refused, so it stays with polling; then let WebSocket through",
    ),
)
KEYS = Markup(
    "<kbd>Space</kbd> stops and continues, <kbd>.</kbd> steps, <kbd>P</kbd> publishes a message, <kbd>X</kbd> cuts the "
    "connection, <kbd>R</kbd> resets the counters."
)
SHARE = "Share"
SHARE_RACE = "the race"
SHARE_AS = "with the room, as"
SHARE_OPEN = "Open it"
SHARE_HINT = (
    "Lower-case letters, digits and hyphens. Everybody who opens the address gets the same messages, at the same rate, "
    "over the same emulated network; each page shows its own bytes."
)
SIX = Markup(
    "Over HTTP/1.1 a browser opens at most six connections to one host, across all its tabs: close the tabs that you "
    'don’t show (see <a href="/limits">Limits</a>).'
)
REACHABLE = Markup(
    "To let the room reach this server, start it with <code>--host 0.0.0.0 --allow-host NAME-OR-ADDRESS</code>."
)

TERMINAL = "The same in a terminal"
COMMANDS = (
    ("Short polling", Markup('curl "<span class="here"></span>/short-poll?after=0"')),
    ("Long polling", Markup('curl "<span class="here"></span>/long-poll?hold=25"')),
    ("SSE", Markup('curl -N "<span class="here"></span>/sse?after=0"')),
    ("WebSocket", Markup('python -m websockets "<span class="here ws"></span>/websocket?after=0"')),
    ("Socket.IO, its first packet", Markup('curl "<span class="here"></span>/socket.io/?EIO=4&amp;transport=polling"')),
    ("Publish", Markup("""curl --json '{"text": "hello"}' <span class="here"></span>/messages""")),
)
