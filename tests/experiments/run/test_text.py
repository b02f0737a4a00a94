import gzip
import random

from hypothesis import given
from hypothesis import strategies as st

from experiments.run.text import sample_text


@given(st.integers(), st.integers(1, 2_000))
def test_it_is_as_long_as_was_asked_for_and_the_same_for_a_seed(seed: int, size: int) -> None:
    text = sample_text(random.Random(seed), size)
    assert len(text.encode()) == size
    assert text.isascii() and text.isprintable() and not text.endswith(" ")
    assert text == sample_text(random.Random(seed), size)


def test_it_is_about_as_compressible_as_what_people_write() -> None:
    rng = random.Random(1)
    texts = [sample_text(rng, 120) for _ in range(200)]
    assert len(set(texts)) == len(texts)
    assert 0.6 < len(gzip.compress(texts[0].encode())) / 120 < 1
    assert 0.2 < len(gzip.compress("\n".join(texts).encode())) / (200 * 121) < 0.5
