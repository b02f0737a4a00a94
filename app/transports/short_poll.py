"""Short polling: the browser asks again and again, "what is there now?", and is answered at once.

    browser                                       server
       |                                             |
       |-- GET /short-poll?after=7f3a90c2-4 -------->|
       |<- 200 {"messages":[],"cursor":"...-4"} -----|    nothing: an empty answer
       |                                             |
       :  pause                                      *    message 5 is published, and waits
       |                                             |
       |-- GET /short-poll?after=7f3a90c2-4 -------->|
       |<- 200 {"messages":[5],"cursor":"...-5"} ----|    late by what was left of the pause
       |                                             |

The server keeps nothing between two requests: the cursor in the question says all. A message waits half a pause
on average and a whole one at worst, and when nothing happens everybody keeps asking.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.log import MessageLog
from app.query import parameters

PATH = "/short-poll"


def routes(log: MessageLog) -> list[BaseRoute]:
    async def short_poll(request: Request) -> Response:
        asked = parameters(request.query_params, "after")
        batch = log.after(log.resolve_cursor(asked.get("after")))
        # no-store: an answer from a cache would be yesterday's news.
        return Response(batch.json, media_type="application/json", headers={"cache-control": "no-store"})

    return [Route(PATH, short_poll)]
