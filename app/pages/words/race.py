"""The race page around the race itself."""

TITLE = "Race"
SENTENCE = (
    "Each message starts on the left when it is published and stops, filled, where it reached the browser. "
    "The bar is the median."
)
NOTES_TITLE = "What is counted"
NOTES = (
    "All lanes bring the same messages to this one page, each over connections of its own. A delay runs from when the "
    "server publishes a message to when this page’s code has it. Requests and TCP payload bytes are counted on the "
    "server’s sockets, up and down, headers included. Bytes per message leave out what it takes to set up a "
    "connection, which is shown beside them. Only messages published since the last reset are compared; changing a "
    "setting resets the counters."
)
