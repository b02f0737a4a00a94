"""How a page is sent: a template filled in, under a policy that allows nothing but our own files.

No script but our files and the import map, no request to anybody else, no markup made of what somebody typed.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from app.guard import LOCAL_NAMES, host_name

FOLDER = Path(__file__).parent
IMPORT_MAP = (FOLDER / "static" / "vendored" / "imports.json").read_text()

POLICY = "; ".join(
    (
        "default-src 'self'",
        f"script-src 'self' 'sha256-{base64.b64encode(hashlib.sha256(IMPORT_MAP.encode()).digest()).decode()}'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
}

# An isolated page has a clock of 5 us instead of 100 (HR-Time, section 4.2). Browsers isolate only what comes over
# https or from this machine, and complain if it is asked of others.
ISOLATED = {"cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp"}

TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER / "templates"), undefined=StrictUndefined, autoescape=select_autoescape()
)
TEMPLATES.policies["json.dumps_kwargs"] = {"sort_keys": False}  # the teaching order
TEMPLATES.globals.update(import_map=Markup(IMPORT_MAP))


def page(template: str, **context: Any) -> Any:
    """An endpoint that responds with a page, filled in once."""
    text = TEMPLATES.get_template(template).render(context)

    async def endpoint(request: Request) -> Response:
        return respond(request, text)

    return endpoint


def respond(request: Request, text: str, status: int = 200) -> Response:
    """A page, with its policy."""
    trusted = request.url.scheme == "https" or host_name(request.headers.get("host", "")) in LOCAL_NAMES
    return Response(text, status, media_type="text/html", headers=HEADERS | ISOLATED if trusted else HEADERS)
