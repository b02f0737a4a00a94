import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from app.message import BadInput
from app.query import parameters, seconds


def test_accepted_parameters_are_returned() -> None:
    assert parameters(QueryParams("after=a-1&hold=2"), "after", "hold") == {"after": "a-1", "hold": "2"}
    assert parameters(QueryParams(""), "after") == {}
    assert parameters(QueryParams("after="), "after") == {"after": ""}


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("afer=0", "^unknown parameter 'afer': accepted here is after and hold$"),
        ("After=0", "unknown parameter 'After'"),
        ("after=0&x", "unknown parameter 'x'"),
        ("=0", "unknown parameter ''"),
        ("after=0&after=0", "^parameter 'after' is given more than once$"),
        ("hold=1&after=0&hold=1", "parameter 'hold' is given more than once"),
        ("%ff=1", "unknown parameter"),
    ],
)
def test_nothing_is_ignored(query: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        parameters(QueryParams(query), "after", "hold")


@given(st.floats(0, 60))
def test_seconds_are_read(value: float) -> None:
    assert seconds(repr(value), "hold", 60) == value


@pytest.mark.parametrize(
    "text", ["", "-1", "-0.001", "60.001", "1e9", "nan", "inf", "-inf", "soon", "1 s", "0x10", "1,5"]
)
def test_what_is_no_number_of_seconds_in_range_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"^hold='.*' is not accepted: give a number of seconds from 0 to 60$"):
        seconds(text, "hold", 60)
