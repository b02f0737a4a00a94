"""The verdicts on the note's claims, as a comparison has written them into `results/`.

They are computed where they are measured, in `experiments`; here they are only read. The template knows what it needs.
A file that lacks any of it is not shown in part: the page says that it can't be read, and how to write it again.
"""

import json
from pathlib import Path
from typing import Any

from jinja2 import Template, UndefinedError

from app.pages.words import claims as words

RESULTS = Path(__file__).parents[2] / "results"

NAMES = ("latest", "reference")
"""The last comparison on this machine, and the one that belongs to the project."""

SEEN_AT = {
    1: ("/modes/sse?rate=1&delay=300",),
    2: ("/modes/short-poll?pause=1&rate=1&delay=25", "/race"),
    3: ("/modes/short-poll?pause=1&rate=0.2", "/modes/short-poll?pause=1&rate=10"),
    4: ("/modes/sse?rate=0.1", "/modes/websocket?rate=0.1"),
    5: ("/modes/websocket?rate=1&delay=300&stopped=1", "/chat"),
    6: ("/modes/socket-io?rate=1&upgrades=refuse",),
}
"""Where each claim, by its number, can be seen live."""


def newest() -> str:
    """The comparison to show if nobody chooses one: the last one, if it has verdicts."""
    return "latest" if (RESULTS / "latest" / "claims.json").exists() else "reference"


def render(template: Template, name: str) -> str:
    """The page about the comparison `name`, or the page that says why there is none."""
    other = NAMES[1 - NAMES.index(name)]
    context = {
        "name": name,
        "other": other if (RESULTS / other / "claims.json").exists() else None,
        "seen_at": SEEN_AT,
    }
    try:
        return template.render(context, problem=None, **read(RESULTS / name))
    except FileNotFoundError:
        problem = words.no_verdicts(name)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, UndefinedError):
        problem = words.unreadable(name)
    return template.render(context, problem=problem)


def read(folder: Path) -> dict[str, Any]:
    """What the template needs. Raises OSError and ValueError."""
    names = ("claims", "plan", "machine")
    said, plan, machine = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in names)
    charts = {path.stem for path in (folder / "figures").glob("*.png")}
    return {"said": said, "plan": plan, "machine": machine, "folder": folder.resolve().name, "charts": charts}


def chart(name: str, question: str) -> Path | None:
    """Where the chart of a question is; None if it is not there."""
    path = RESULTS / name / "figures" / f"{question}.png"
    return path if name in NAMES and question.isidentifier() and path.is_file() else None
