"""Every question's chart, drawn from the stored reference comparison."""

import io

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from experiments.analysis.tables import Table, of, summarise
from experiments.questions import QUESTIONS
from experiments.report import style, words
from experiments.report.report import tables
from experiments.variants import VARIANTS
from tests import ROOT

REFERENCE = ROOT / "results" / "reference"

every_question = pytest.mark.parametrize("name", QUESTIONS)


@pytest.fixture(scope="module")
def whole() -> Table:
    runs, deliveries = tables(REFERENCE)
    return Table(summarise(runs, deliveries), runs, deliveries)


def table(name: str, whole: Table) -> Table:
    conditions = QUESTIONS[name].CONDITIONS
    return Table(of(conditions, whole.summary), of(conditions, whole.runs), whole.deliveries)


def title(figure: Figure) -> str:
    return " ".join(figure.texts[0].get_text().split())


def texts(figure: Figure) -> list[Text]:
    """Every text that is seen."""
    return [
        text
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_text().strip() and text.get_visible()
    ]


@every_question
def test_the_title_is_the_conclusion_and_follows_the_numbers(name: str, whole: Table) -> None:
    its = table(name, whole)
    said = QUESTIONS[name].conclusion(its.summary)
    assert title(QUESTIONS[name].figure(its)) == " ".join(said.split())
    slower = its.summary.assign(
        delay_mean_ms=its.summary.delay_mean_ms * its.summary.transport.map({"short_poll": 3}).fillna(1.7),
        bytes_per_message=its.summary.bytes_per_message * its.summary.transport.map({"short_poll": 3}).fillna(1.7),
        bytes_per_minute=its.summary.bytes_per_minute * its.summary.transport.map({"short_poll": 3}).fillna(1.7),
        first_message_ms=its.summary.first_message_ms * 1.7,
        server_rss_mb=its.summary.server_rss_mb * (1 + its.summary.clients / 1_000),
        setup_request_head_bytes=its.summary.setup_request_head_bytes * 1.7,
    )
    assert QUESTIONS[name].conclusion(slower) != said


@every_question
def test_it_is_read_from_the_back_row(name: str, whole: Table) -> None:
    figure = QUESTIONS[name].figure(table(name, whole))
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    assert tuple(figure.get_size_inches() * figure.dpi) == (1920, 1080)
    assert min(float(text.get_fontsize()) for text in texts(figure)) >= 19
    for text in texts(figure):
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= 1920, text
        assert box.y1 <= 1080, text
    for axes in figure.axes:
        assert not axes.spines["top"].get_visible()
        assert not axes.spines["right"].get_visible()


@every_question
def test_names_do_not_overlap(name: str, whole: Table) -> None:
    figure = QUESTIONS[name].figure(table(name, whole))
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    bold = [text for text in texts(figure) if text.get_fontweight() == "bold"]
    boxes = [(text.get_text(), text.get_window_extent()) for text in bold]
    for i, (one, its) in enumerate(boxes):
        for other, box in boxes[i + 1 :]:
            across = min(its.x1, box.x1) - max(its.x0, box.x0)
            down = min(its.y1, box.y1) - max(its.y0, box.y0)
            assert across <= 1 or down <= 4, (one, other)  # a line's height includes some air


@every_question
def test_the_same_data_gives_the_same_file(name: str, whole: Table) -> None:
    files = []
    for _ in range(2):
        file = io.BytesIO()
        QUESTIONS[name].figure(table(name, whole)).savefig(file, format="svg", metadata={"Date": None})
        files.append(file.getvalue())
    assert files[0] == files[1]


def test_every_variant_has_its_title_and_its_marker() -> None:
    for how in (style.marker, words.title, words.row_title):
        assert len({how(variant) for variant in VARIANTS}) == len(VARIANTS)


def test_every_transport_has_its_colour_and_its_marker() -> None:
    transports = {variant.transport: name for name, variant in reversed(VARIANTS.items())}
    assert [*reversed(transports)] == ["short_poll", "long_poll", "sse", "websocket", "socket_io"]
    for how in (style.colour, style.marker, words.title):
        assert len({how(variant) for variant in transports.values()}) == 5
