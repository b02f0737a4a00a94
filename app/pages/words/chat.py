"""The chat page around the chat itself."""

from markupsafe import Markup

TITLE = "Chat"
SENTENCE = "Pick a transport and talk to each other. Everybody reads the same log, each in their own way."

NOTES_TITLE = "What differs and what doesn’t"
NOTES = [
    Markup(
        "<strong>Receiving</strong> is where the transports differ. A message’s delay runs from when the server "
        "published it to when this page’s code has it; for your own messages, from when you pressed Enter."
    ),
    Markup(
        "<strong>Sending</strong> was never the hard part. With short polling, long polling and SSE it is a plain "
        "<code>POST</code>. WebSocket and Socket.IO use the connection that is already open; when Socket.IO "
        "is polling, it sends a <code>POST</code> too."
    ),
    Markup(
        "<strong>So far</strong> counts the bytes on your own connections, in both directions, since you picked your "
        "transport. Compare what each transport costs during a silent minute."
    ),
    Markup(
        "<strong>Cut</strong> your connection, and for a few seconds it can’t reconnect. What others write in the "
        "meantime arrives late, but it arrives: your page resumes from the cursor of the last message it has. "
        "What you write waits on your page until then."
    ),
    Markup(
        "You can join in from a terminal: "
        """<code>curl --json '{"text": "hello", "name": "curl"}' <span class="here"></span>/messages</code>"""
    ),
]
