"""What is recommended follows from the numbers, and is said with them; other numbers make another recommendation."""

from collections.abc import Callable
from functools import cache

import pandas as pd
import pytest

from experiments.analysis.tables import Table
from experiments.questions import fallback, rate
from experiments.report import recommend
from experiments.report.recommend import Advice
from tests.inventing import a_table


@cache
def invented() -> Table:
    conditions = {*recommend.FAR, *recommend.BROWSER, *recommend.RARE, *rate.CONDITIONS}
    conditions |= {*fallback.CONDITIONS}
    return a_table(there=lambda condition: condition in conditions)


def advised(change: Callable[[pd.DataFrame], object] = lambda rows: None) -> dict[str, Advice]:
    """By the beginning of the situation, with spaces that may break, from a summary after `change`."""
    rows = invented().summary.copy()
    change(rows)
    said = recommend.advice(Table(rows, invented().runs, invented().deliveries))
    return {
        each.situation.split()[0]: Advice(each.situation, each.use, each.why.replace("\u00a0", " ")) for each in said
    }


def test_every_situation_has_its_recommendation() -> None:
    uses = [each.use for each in recommend.advice(invented())]
    assert uses == ["SSE", "WebSocket", "SSE", "Short polling", "Long polling", "Socket.IO"]


def set_to(value: float, column: str, **fields: object) -> Callable[[pd.DataFrame], object]:
    def change(rows: pd.DataFrame) -> None:
        chosen = pd.Series(True, index=rows.index)
        for name, wanted in fields.items():
            chosen &= rows[name] == wanted
        assert chosen.any()
        rows.loc[chosen, column] = value

    return change


@pytest.mark.parametrize(
    ("situation", "use", "change", "said"),
    [
        ("Only", "Long polling", set_to(41.0, "delay_mean_ms", variant="long_poll"), "it delivers in 41 ms on average"),
        (
            "Only",
            "Short polling",
            set_to(1_900.0, "delay_mean_ms", variant="long_poll"),
            "delivers in 1.9 s on average",
        ),
        ("Messages", "Short polling", set_to(77.0, "bytes_per_message", variant="short_poll"), "between 0 and 0.2"),
        (
            "Messages",
            "SSE",
            set_to(9_999.0, "bytes_per_message", variant="short_poll"),
            "Up to 100 messages/s, polling",
        ),
        ("WebSocket", "Socket.IO", set_to(321.0, "first_message_ms"), "the first after 321 ms"),
        ("WebSocket", "None of these", set_to(3, "missing", upgrades="refuse"), "Socket.IO lost 3 messages"),
    ],
)
def test_the_numbers_make_the_recommendation(
    situation: str, use: str, change: Callable[[pd.DataFrame], object], said: str
) -> None:
    """The last of the situations that begin so."""
    advice = advised(change)[situation]
    assert (advice.use, said in advice.why) == (use, True), advice


def test_sse_is_recommended_only_where_it_costs_no_more_than_tolerance() -> None:
    def dear(rows: pd.DataFrame) -> None:
        rows.loc[rows.variant == "sse", "bytes_per_message"] *= 3

    rows = invented().summary.copy()
    dear(rows)
    first = recommend.advice(Table(rows, invented().runs, invented().deliveries))[0]
    assert first.use == "WebSocket"


def test_what_is_not_measured_is_not_recommended() -> None:
    rows = invented().summary
    left = rows[rows.variant != "long_poll"]
    said = recommend.advice(Table(left, invented().runs, invented().deliveries))
    assert [each.use for each in said] == ["Socket.IO"]  # which takes no long polling by itself
    suspect = rows.assign(suspect=True)
    assert recommend.advice(Table(suspect, invented().runs, invented().deliveries)) == []
