"""What a browser sees. The pages are static: templates filled in once, ES modules as they are written, no build step.

Everything comes from this server: `rendering` sends a page with the policy that says so, `problem` what is shown
instead of one, `verdicts` reads a comparison's verdicts, `modes` is a page per transport, `words` has the sentences.
"""

import inspect
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app import fanout, palette, transports
from app.message import BadInput
from app.pages import verdicts, words
from app.pages.modes import MODES
from app.pages.problem import refused
from app.pages.rendering import TEMPLATES, page, respond
from app.query import parameters

FOLDER = Path(__file__).parent

CODE: dict[str, Any] = {**transports.TRANSPORTS, "fanout": fanout}
"""The modules whose source can be looked at."""

TEMPLATES.globals.update(modes=MODES, palette=palette.PALETTE, words=words)


class Static(StaticFiles):
    """Files that a browser revalidates each time, so that it never mixes a changed one with old ones."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update({"cache-control": "no-cache", "cross-origin-resource-policy": "same-origin"})
        return response


def routes() -> list[BaseRoute]:
    """The pages and their files."""
    return [
        Route("/", page("home.html")),
        Route("/race", page("race.html")),
        Route("/chat", page("chat.html")),
        Route("/crowd", page("crowd.html")),
        Route("/limits", page("limits.html")),
        Route("/limits/away", page("away.html")),
        Route("/claims", claims_page),
        Route("/claims/{name}/{chart}.png", chart),
        *(Route(f"/modes/{mode.path}", page("mode.html", mode=mode)) for mode in MODES),
        Route("/code/{name}.py", code),
        Route("/palette.css", palette_css),
        Route("/socket.io/socket.io.js", socket_io_library),
        Mount("/static", Static(directory=FOLDER / "static")),
    ]


def claims_page(request: Request) -> Response:
    """The verdicts of a comparison, read again each time: `make compare` may have written others."""
    try:
        given = parameters(request.query_params, "results").get("results")
        if given not in (None, *verdicts.NAMES):
            raise BadInput(f"results={given[:40]!r} is not accepted: give {' or '.join(verdicts.NAMES)}")
    except BadInput as refusal:
        return refused(request, 400, str(refusal))
    return respond(request, verdicts.render(TEMPLATES.get_template("claims.html"), given or verdicts.newest()))


def chart(request: Request) -> Response:
    """A chart of a comparison, as a picture."""
    path = verdicts.chart(request.path_params["name"], request.path_params["chart"])
    if path is None:
        return refused(request, 404, "there is no such chart")
    return FileResponse(path, headers={"cache-control": "no-cache"})


async def code(request: Request) -> Response:
    """The source of a module that pages show, as it runs."""
    name = request.path_params["name"]
    if name not in CODE:
        return refused(request, 404, f"the code shown here is that of {', '.join(CODE)}")
    return PlainTextResponse(inspect.getsource(CODE[name]))


async def socket_io_library(_: Request) -> Response:
    """Socket.IO's client as a plain script, where Node's server has it too: pages made for that work here."""
    file = FOLDER / "static/vendored/socket.io-client/dist/socket.io.min.js"
    return FileResponse(file, headers={"cache-control": "no-cache", "cross-origin-resource-policy": "same-origin"})


async def palette_css(_: Request) -> Response:
    """The palette as a style sheet."""
    return Response(palette.style_sheet(), media_type="text/css", headers={"cache-control": "no-cache"})
