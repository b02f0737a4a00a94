"""How messages get into the log: `POST /messages`, an event of Socket.IO, and a source of samples to look at."""

import asyncio
import itertools
import json
import random
import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.log import MessageLog
from app.message import NAME_MAX_CHARS, TEXT_MAX_BYTES, BadInput, check_publication, read_publication

PATH = "/messages"
BODY_MAX_BYTES = 6 * TEXT_MAX_BYTES + 12 * NAME_MAX_CHARS + 64
"""Room for the longest text and name with every character of them written as a JSON escape (\\u0041), or as two."""


class BadBody(BadInput):
    """A body that is not read; `status` is the response's."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


def routes(log: MessageLog) -> list[BaseRoute]:
    async def publish(request: Request) -> Response:
        message = log.publish(*read_publication(await json_body(request)))
        return Response(message.json, 201, media_type="application/json")

    return [Route(PATH, publish, methods=["POST"])]


def publish_emitted(log: MessageLog, arguments: Sequence[object]) -> object:
    """Publish what an event of Socket.IO brings: the message as JSON, or {"error": "..."}."""
    try:
        if len(arguments) != 1:
            raise BadInput('emit "publish" with {"text": "..."}, or "to-server" with a text')
        return json.loads(log.publish(*check_publication(arguments[0])).json)
    except BadInput as problem:
        return {"error": str(problem)}


async def json_body(request: Request) -> bytes:
    """The body of a request that says it is JSON; raises BadBody.

    A page of another site can send a form or plain text to any server, but JSON only after a preflight request (Fetch,
    section 2.2.2, "CORS-safelisted request-header").
    """
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        raise BadBody(f"send JSON, with content-type: application/json, not {given[:40]!r}", 415)
    return await small_body(request)


async def small_body(request: Request) -> bytes:
    """The request's body; raises BadBody as soon as it is, or says that it is, too large."""
    body, size = b"", int(request.headers.get("content-length", 0))
    if size <= BODY_MAX_BYTES:
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_MAX_BYTES:
                break
        else:
            return body
    raise BadBody(f"the body is larger than {BODY_MAX_BYTES} bytes", 413)


async def publish_by_itself(log: MessageLog, publish_hz: float, rng: random.Random) -> None:
    """A Poisson process of sample messages, `publish_hz` per second; none for 0."""
    for number in itertools.count(1):
        if not publish_hz:
            return
        await asyncio.sleep(rng.expovariate(publish_hz))
        log.publish(f"sample message {number}, at {time.strftime('%H:%M:%S')} by the server's clock")
