"""A request's parameters, checked: unknown, repeated and malformed ones are refused, never ignored.

A misspelt `afer=0`, taken for "no cursor", would lose messages silently; that is why nothing is lenient here.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from starlette.datastructures import QueryParams

from app.message import BadInput

SHORT_BYTES = 128
"""Queries of readers are no longer than this; longer ones are not remembered."""


def parameters(query: QueryParams | bytes, *accepted: str) -> Mapping[str, str]:
    """The query's parameters; raises BadInput for one that is not `accepted` or comes twice."""
    if isinstance(query, bytes):
        return read_once(query, accepted) if len(query) <= SHORT_BYTES else read(QueryParams(query), accepted)
    return read(query, accepted)


@lru_cache(maxsize=256)  # a thousand readers at the same cursor send the same query
def read_once(query: bytes, accepted: tuple[str, ...]) -> Mapping[str, str]:
    return MappingProxyType(read(QueryParams(query), accepted))


def read(query: QueryParams, accepted: tuple[str, ...]) -> dict[str, str]:
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
