"""Short polling: the browser sends a request again and again, and each gets its response at once.

    browser                                       server
       |                                             |
       |-- GET /short-poll?after=7f3a90c2-4 -------->|
       |<- 200 {"messages":[],"cursor":"...-4"} -----|    an empty response
       |                                             |
       :  pause                                      *    message 5 is published, and waits
       |                                             |
       |-- GET /short-poll?after=7f3a90c2-4 -------->|
       |<- 200 {"messages":[5],"cursor":"...-5"} ----|    late by what was left of the pause
       |                                             |

The server keeps nothing between two requests: the cursor in the request says it all. A message waits half a pause
on average and a whole one at worst, and when nothing happens the requests still come.
"""

from starlette.routing import BaseRoute

from app.log import MessageLog
from app.message import Batch
from app.polling import poll_route
from app.query import parameters

PATH = "/short-poll"


def routes(log: MessageLog) -> list[BaseRoute]:
    def short_poll(query: bytes) -> Batch:
        given = parameters(query, "after")
        return log.after(log.resolve_cursor(given.get("after")))

    return [poll_route(PATH, log, short_poll)]
