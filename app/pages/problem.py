"""What is said instead of a page that can't be shown: a page to people, one line of JSON to programs.

The API's own errors are JSON for everybody (app/server.py). These are the pages': a browser that was sent to a wrong
address gets the site's navigation.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.pages.rendering import TEMPLATES, respond
from app.pages.words import problem as words


def no_such_page(request: Request) -> Response:
    """Nothing is at this address, neither a page nor anything else."""
    return refused(request, 404, "Not Found", words.no_such_page(request.url.path[:100]))


def refused(request: Request, status: int, error: str, sentence: str | None = None) -> Response:
    """The response with this `error`, which a page may say in a better `sentence`."""
    if not wants_page(request):
        return JSONResponse({"error": error}, status)
    text = TEMPLATES.get_template("problem.html").render(status=status, sentence=sentence or words.sentence(error))
    return respond(request, text, status)


def wants_page(request: Request) -> bool:
    """Whether somebody will look at the response: a browser says so when it goes to an address (Fetch, section 4.6)."""
    headers = request.headers
    return "text/html" in headers.get("accept", "") or headers.get("sec-fetch-mode") == "navigate"
