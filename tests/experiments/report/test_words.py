"""Numbers are said in the unit that suits them."""

import pytest

from experiments.report import words


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0.44, "0.4 ms"), (9.96, "10 ms"), (549.4, "549 ms"), (999.7, "1 s"), (1051.0, "1.1 s"), (25_000.0, "25 s")],
)
def test_durations_are_said_in_the_unit_that_suits_them(ms: float, said: str) -> None:
    assert words.seconds(ms).replace("\u00a0", " ") == said


@pytest.mark.parametrize(("count", "said"), [(189.3, "189 B"), (999.9, "1 kB"), (7106.0, "7.11 kB"), (2e6, "2 MB")])
def test_sizes_are_said_in_the_unit_that_suits_them(count: float, said: str) -> None:
    assert words.size(count).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "no request"), (0.98, "1 request"), (9.5, "9.5 requests"), (42.4, "42 requests")]
)
def test_counts_have_their_plural(number: float, said: str) -> None:
    assert words.count(number, "request") == said


def test_lists_are_said_with_and() -> None:
    assert [words.listed("abc"[:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
