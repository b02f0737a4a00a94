"""The one way in: `POST /messages`, and a source of sample messages for those who only want to look."""

import asyncio
import itertools
import random
import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.log import MessageLog
from app.message import NAME_MAX_CHARS, TEXT_MAX_BYTES, BadInput, read_publication

PATH = "/messages"
BODY_MAX_BYTES = 6 * TEXT_MAX_BYTES + 12 * NAME_MAX_CHARS + 64
"""Room for the longest text and name with every character of them written as a JSON escape (\\u0041), or as two."""


class TooLarge(BadInput):
    """A body that is larger than any message can be."""


def routes(log: MessageLog) -> list[BaseRoute]:
    async def publish(request: Request) -> Response:
        message = log.publish(*read_publication(await small_body(request)))
        return Response(message.json, 201, media_type="application/json")

    return [Route(PATH, publish, methods=["POST"])]


async def small_body(request: Request) -> bytes:
    """The request's body; raises TooLarge without reading on once it is."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_MAX_BYTES:
            raise TooLarge(f"the body is larger than {BODY_MAX_BYTES} bytes")
    return body


async def publish_by_itself(log: MessageLog, publish_hz: float, rng: random.Random) -> None:
    """A Poisson process of messages for somebody to look at, `publish_hz` per second; none at all for 0."""
    for number in itertools.count(1):
        if not publish_hz:
            return
        await asyncio.sleep(rng.expovariate(publish_hz))
        log.publish(f"sample message {number}, at {time.strftime('%H:%M:%S')} by the server's clock")
