"""A request's parameters, checked: unknown, repeated and malformed ones are refused, never ignored.

A misspelt `afer=0`, taken for "no cursor", would lose messages silently; that is why nothing is lenient here.
"""

import math

from starlette.datastructures import QueryParams

from app.message import BadInput


def parameters(query: QueryParams, *accepted: str) -> dict[str, str]:
    """The query's parameters; raises BadInput for one that is not `accepted` or comes twice."""
    for name, _ in query.multi_items():
        if name not in accepted:
            raise BadInput(f"unknown parameter {name[:40]!r}: accepted here is {' and '.join(accepted)}")
        if len(query.getlist(name)) > 1:
            raise BadInput(f"parameter {name!r} is given more than once")
    return dict(query)


def seconds(text: str, name: str, most: float) -> float:
    """A number of seconds from 0 to `most`; raises BadInput."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= most:
        raise BadInput(f"{name}={text[:40]!r} is not accepted: give a number of seconds from 0 to {most:g}")
    return value
