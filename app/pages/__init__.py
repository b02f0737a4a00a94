"""What a browser sees. The pages are static: templates filled in once, ES modules as they are written, no build step.

Everything comes from this server: `rendering` sends a page with the policy that says so, `problem` what is shown
instead of one, `verdicts` reads a comparison's verdicts, `modes` is a page per transport, `words` has the sentences.
"""

import inspect
import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app import transports
from app.message import BadInput
from app.pages import verdicts, words
from app.pages.modes import MODES
from app.pages.problem import refused
from app.pages.rendering import TEMPLATES, answer, page
from app.query import parameters

FOLDER = Path(__file__).parent

SHAPES = {
    "square": "M-8,-8 H8 V8 H-8 Z",
    "triangle": "M0,-9 L9,8 L-9,8 Z",
    "circle": "M-8.5,0 A8.5,8.5 0 1 1 8.5,0 A8.5,8.5 0 1 1 -8.5,0 Z",
    "diamond": "M0,-10 L10,0 L0,10 L-10,0 Z",
    "plus": "M-3.5,-9 H3.5 V-3.5 H9 V3.5 H3.5 V9 H-3.5 V3.5 H-9 V-3.5 H-3.5 Z",
}
"""How a marker is drawn: a path within 10 of the origin in each direction."""

PALETTE: dict[str, dict[str, str]] = {
    name: entry | {"shape": SHAPES[entry["marker"]]}
    for name, entry in json.loads((FOLDER / "palette.json").read_text()).items()
}
TEMPLATES.globals.update(modes=MODES, palette=PALETTE, words=words)


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
        Route("/limits", page("limits.html")),
        Route("/limits/away", page("away.html")),
        Route("/claims", claims_page),
        Route("/claims/{name}/{chart}.png", chart),
        *(Route(f"/modes/{mode.path}", page("mode.html", mode=mode)) for mode in MODES),
        Route("/code/{name}.py", code),
        Route("/palette.css", palette),
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
    return answer(request, verdicts.render(TEMPLATES.get_template("claims.html"), given or verdicts.newest()))


def chart(request: Request) -> Response:
    """A chart of a comparison, as a picture."""
    path = verdicts.chart(request.path_params["name"], request.path_params["chart"])
    if path is None:
        return refused(request, 404, "there is no such chart")
    return FileResponse(path, headers={"cache-control": "no-cache", "x-content-type-options": "nosniff"})


async def code(request: Request) -> Response:
    """The source of a transport's module, as it runs."""
    name = request.path_params["name"]
    if name not in transports.TRANSPORTS:
        return refused(request, 404, f"there is no such transport: {', '.join(transports.TRANSPORTS)}")
    return PlainTextResponse(inspect.getsource(transports.TRANSPORTS[name]))  # type: ignore[arg-type]  # a module


async def socket_io_library(_: Request) -> Response:
    """Socket.IO's client as a plain script, where Node's server has it too: pages made for that work here."""
    file = FOLDER / "static/vendored/socket.io-client/dist/socket.io.min.js"
    return FileResponse(file, headers={"cache-control": "no-cache", "cross-origin-resource-policy": "same-origin"})


async def palette(_: Request) -> Response:
    """The palette as style sheet: `[data-transport="sse"]` has `--transport`, and `--sse` is known everywhere."""
    light_dark = {name: f"light-dark({entry['light']}, {entry['dark']})" for name, entry in PALETTE.items()}
    names = "".join(f"--{name}: {colour}; " for name, colour in light_dark.items())
    rules = "".join(f'[data-transport="{name}"] {{ --transport: var(--{name}); }}\n' for name in PALETTE)
    return Response(f":root {{ {names}}}\n{rules}", media_type="text/css", headers={"cache-control": "no-cache"})
