"""Long polling: the server holds the request until there is a message to respond with (RFC 6202, section 2).

    browser                                       server
       |                                             |
       |-- GET /long-poll?after=7f3a90c2-4 --------->|
       |                                             :    held, up to `hold` seconds
       |                                             *    message 5 is published
       |<- 200 {"messages":[5],"cursor":"...-5"} ----|    at once
       |                                             |
       |-- GET /long-poll?after=7f3a90c2-5 --------->|    and the next request is held
       |                                             :

A message published while a request is held goes out at once; one that is published in between waits for the next
request, about a round trip. A hold ends, with an empty response, before proxies would close the connection.
"""

from starlette.routing import BaseRoute

from app.log import MessageLog
from app.message import Batch
from app.polling import Hold, poll_route
from app.query import parameters, seconds

PATH = "/long-poll"
HOLD_S = 25.0
HOLD_MAX_S = 60.0


def routes(log: MessageLog) -> list[BaseRoute]:
    def long_poll(query: bytes) -> Batch | Hold:
        given = parameters(query, "after", "hold")
        cursor = log.resolve_cursor(given.get("after"))
        hold_s = seconds(given["hold"], "hold", HOLD_MAX_S) if "hold" in given else HOLD_S
        batch = log.after(cursor)
        return batch if batch.updates else Hold(cursor, hold_s)

    return [poll_route(PATH, log, long_poll)]
