"""The transports' own addresses, without Starlette's layers in between.

What waits for a reader stays in memory for as long as the reader does, and every layer that a request has passed waits
too: error handling twice, routing, wrapped functions. A reader of a transport needs one of them: its handler.

Everything else, and whatever is wrong with a request, takes Starlette's way.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket


class Direct:
    """ASGI middleware, the innermost: calls the handlers of `routes`, which have no parameters, by itself.

    `handlers` respond to exceptions, as Starlette's `exception_handlers` do.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], handlers: Mapping[type[Exception], Any]) -> None:
        self.app = app
        self._handlers = handlers
        self._http = {route.path: route for route in routes if isinstance(route, Route)}
        self._websocket = {route.path: route for route in routes if isinstance(route, WebSocketRoute)}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "websocket" and (found := self._websocket.get(scope["path"])):
            if is_asgi(found):
                return found.app(scope, receive, send)
            return found.endpoint(WebSocket(scope, receive, send))  # type: ignore[no-any-return]
        route = self._http.get(scope["path"]) if scope["type"] == "http" else None
        if route and scope["method"] in (route.methods or ()):
            return self._respond(route, scope, receive, send)
        return self.app(scope, receive, send)

    async def _respond(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if is_asgi(route):
                await route.app(scope, receive, send)
            else:
                response = await route.endpoint(Request(scope, receive))
                await response(scope, receive, send)
        except tuple(self._handlers) as problem:
            handler = next(handler for kind, handler in self._handlers.items() if isinstance(problem, kind))
            await (await handler(Request(scope), problem))(scope, receive, send)


def is_asgi(route: Route | WebSocketRoute) -> bool:
    """Whether the route's handler is an ASGI application, which Starlette calls as it is, and not a function."""
    return route.app is route.endpoint
