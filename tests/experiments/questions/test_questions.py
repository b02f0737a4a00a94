"""Every question's chart, drawn from the stored reference, and what it concludes, recomputed here from the numbers."""

import io
import re
from collections.abc import Callable
from functools import cache

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from experiments import store
from experiments.analysis.tables import Table, of_question
from experiments.analysis.tables import table as whole_table
from experiments.design import Condition, Size
from experiments.questions import QUESTIONS, layers
from experiments.report import loads, style, words
from experiments.report.report import tables, unmeasured
from experiments.variants import VARIANTS
from tests import ROOT
from tests.inventing import Change, Result, a_table

REFERENCE = ROOT / "results" / "reference"

every_question = pytest.mark.parametrize("name", QUESTIONS)


def invented(name: str, change: Change = lambda condition, result: None) -> Table:
    """A question's table that nobody measured."""
    its = set(QUESTIONS[name].CONDITIONS)
    return of_question(its, a_table(change, lambda condition: condition in its))


@cache
def reference() -> Table:
    return whole_table(*tables(REFERENCE))


@cache
def measured(name: str) -> Table:
    """A question's table in the reference, or a made-up one if the reference is older than the question."""
    question, size = QUESTIONS[name], Size(**store.read_plan(REFERENCE)["size"])
    its = of_question(question.CONDITIONS, reference())
    return invented(name) if unmeasured(question, size, its.summary) else its


@cache
def drawn(name: str) -> Figure:
    """The chart, drawn once."""
    figure = QUESTIONS[name].figure(measured(name))
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    return figure


def title(figure: Figure) -> str:
    return " ".join(figure.texts[0].get_text().split())


def texts(figure: Figure) -> list[Text]:
    """Every text that is seen."""
    return [
        text
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_text().strip() and text.get_visible()
    ]


def plain(said: str) -> str:
    return " ".join(said.split())


@every_question
def test_the_title_is_the_conclusion(name: str) -> None:
    assert title(drawn(name)) == plain(QUESTIONS[name].conclusion(measured(name).summary))


# What is concluded, from numbers that differ for every condition, so that none can be taken for another.


def row(rows: pd.DataFrame, **fields: object) -> "pd.Series[float]":
    """The one row with these fields."""
    for name, value in fields.items():
        rows = rows[rows[name] == value]
    (found,) = (its for _, its in rows.iterrows())
    return found


def distinct(name: str, *columns: str) -> pd.DataFrame:
    """A question's summary with other numbers in these columns, in every row its own; all between 100 and 999."""
    rows = invented(name).summary.reset_index(drop=True)
    for place, column in enumerate(columns):
        rows[column] = [101.0 + (37 * (i + 1) * (place + 3)) % 887 for i in range(len(rows))]
        assert rows[column].is_unique
    return rows


def latency() -> tuple[pd.DataFrame, str]:
    rows = distinct("latency", "delay_mean_ms")
    far = rows[rows.one_way_delay_ms == 25]
    others = [its.delay_mean_ms for _, its in far.iterrows() if its.transport != "short_poll"]
    polled = row(far, transport="short_poll", pause_s=1.0).delay_mean_ms
    return rows, (
        f"At 5 messages/s with 25 ms each way, polling every second delays a message by {polled:.0f} ms on average; "
        f"held requests and pushes take {min(others):.0f} ms to {max(others):.0f} ms"
    )


def overhead() -> tuple[pd.DataFrame, str]:
    rows = distinct("overhead", "bytes_per_message")
    bytes_of = {
        variant: row(rows, rate_hz=0.1, headers="browser", variant=variant).bytes_per_message for variant in VARIANTS
    }
    return rows, (
        f"At one message per 10 s, each costs a browser that polls every second {bytes_of['short_poll']:.0f} B; "
        f"over SSE {bytes_of['sse']:.0f} B, over WebSocket {bytes_of['websocket']:.0f} B, "
        f"with Socket.IO {bytes_of['socket_io upgrade']:.0f} B"
    )


def layered() -> tuple[pd.DataFrame, str]:
    categories = ("request_head", "response_head", "chunk", "frame", "engine_io", "socket_io", "control")
    rows = invented("layers").summary.reset_index(drop=True)
    total: dict[tuple[str, str], float] = {}
    for i, variant in enumerate(rows.variant):
        for j, category in enumerate(categories):
            rows.loc[i, f"setup_{category}_bytes"] = 10.0 + i + 3 * j
            rows.loc[i, f"up_{category}_bytes_per_message"] = 5.0 + 2 * i
            rows.loc[i, f"down_{category}_bytes_per_message"] = 7.0 + i
        total[variant, "setup"] = sum(10.0 + i + 3 * j for j in range(len(categories)))
        total[variant, "message"] = len(categories) * (12.0 + 3 * i)
    assert set(rows.variant) == set(layers.COMPARED)
    return rows, (
        f"On loopback, connecting costs a browser {total['socket_io upgrade', 'setup']:.0f} B with Socket.IO and "
        f"{total['websocket', 'setup']:.0f} B with WebSocket alone; around each message are "
        f"{total['socket_io upgrade', 'message']:.0f} B with Socket.IO over WebSocket, "
        f"{total['socket_io polling', 'message']:.0f} B when it polls, and {total['websocket', 'message']:.0f} B with "
        "WebSocket alone"
    )


def interval() -> tuple[pd.DataFrame, str]:
    rows = distinct("interval", "delay_mean_ms", "bytes_per_minute")
    push = row(rows, variant="websocket")
    ratio = {
        (pause_s, name): f"{row(rows, transport='short_poll', pause_s=pause_s)[name] / push[name]:.1f}"
        for pause_s in (1.0, 0.05)
        for name in ("delay_mean_ms", "bytes_per_minute")
    }
    return rows, (
        f"With 25 ms each way, polling every second has {ratio[1.0, 'delay_mean_ms']} times WebSocket's delay and "
        f"{ratio[1.0, 'bytes_per_minute']} times its bytes; every 0.05 s, {ratio[0.05, 'delay_mean_ms']} times the "
        f"delay and {ratio[0.05, 'bytes_per_minute']} times the bytes"
    )


def rate(limit_hz: float = 5.0, below: int = 1, above: int = 5) -> tuple[pd.DataFrame, str]:
    """Polling costs twice SSE's bytes below a rate, and half of them from it on."""
    rows = distinct("rate", "delay_mean_ms")
    rows["bytes_per_message"] = [300.0 + i for i in range(len(rows))]
    polled = rows.variant == "short_poll"
    rows.loc[polled, "bytes_per_message"] = [
        1_000.0 if rate_hz < limit_hz else 100.0 for rate_hz in rows.rate_hz[polled]
    ]
    rows.loc[polled, ["cycle_bytes", "gap_s"]] = [480.0, 1.25]
    rows.loc[rows.variant == "sse", "framing_bytes"] = 33.0
    rows.loc[rows.variant == "websocket", "framing_bytes"] = 5.0
    mean_ms = {variant: rows[rows.variant == variant].delay_mean_ms.mean() for variant in ("short_poll", "sse")}
    price = f"at {mean_ms['short_poll'] / mean_ms['sse']:.1f} times its delay"
    expected = f"{480 / (32 * 1.25):g}/s"
    if not above:
        return (
            rows,
            f"Up to {below} messages/s (theory: {expected}), polling every second moves more bytes than SSE, {price}",
        )
    return rows, (
        f"Somewhere between {below} and {above} messages/s (theory: {expected}), polling every second starts to move "
        f"fewer bytes than SSE, {price}"
    )


def never_fewer() -> tuple[pd.DataFrame, str]:
    return rate(1_000.0, 100, 0)


CPU_MS = {"short_poll": 0.041, "long_poll": 0.032, "sse": 0.0053, "websocket": 0.0074, "socket_io upgrade": 0.0095}
KILOBYTES = {"long_poll": 25, "sse": 31, "websocket": 36, "socket_io upgrade": 58}


def load() -> tuple[pd.DataFrame, str]:
    def change(condition: Condition, result: Result) -> None:
        metrics = result["metrics"]
        events = metrics["requests" if condition.polls else "messages"]
        each = CPU_MS.get(condition.variant, 0.2) * (3 if condition.fan_out == "tasks" else 1)
        metrics["server_cpu_ms"] = 100 + 3 * condition.rate_hz + each * events

    return invented("load", change).summary, (
        "Under load, with a task per reader, a short poll costs this server 123 µs of CPU, a long poll 96 µs, and a "
        "push over WebSocket 22 µs; with the hub and its shortcut 41 µs, 32 µs and 7.4 µs"
    )


def connections() -> tuple[pd.DataFrame, str]:
    def change(condition: Condition, result: Result) -> None:
        metrics = result["metrics"]
        for name in [name for name in metrics if name.endswith("_readers") and name.startswith("step_")]:
            each = 1_000 * KILOBYTES.get(condition.variant, 99)
            metrics[name.replace("_readers", "_rss_bytes")] = 45_000_000 + each * metrics[name]

    return invented("connections", change).summary, (
        "An open SSE stream costs this server 31 kB of memory, a WebSocket 36 kB, a held poll 25 kB, and Socket.IO "
        "58 kB"
    )


def crowd() -> tuple[pd.DataFrame, str]:
    """The largest size counts, and there the largest number of readers at which both have numbers."""

    def change(condition: Condition, result: Result) -> None:
        metrics = result["metrics"]
        if condition.measures != "broadcasts":
            return
        tasks = condition.fan_out == "tasks"
        metrics |= {"step_4_readers": 4_321, "step_4_broadcasts": 10, "step_4_events": 43_210}
        metrics |= {"step_4_cpu_ms": 1_230.0 if tasks else 345.0, "step_4_last_ms": 204.0 if tasks else 56.0}
        if tasks:
            metrics |= {"step_5_cpu_ms": None, "step_5_last_ms": None}  # the readers were the limit

    return invented("crowd", change).summary, (
        "One message to 4,321 WebSocket readers costs this server 34 ms of CPU with a hub and 123 ms with a task for "
        "each; the last reader has it after 56 ms and 204 ms"
    )


def fallback() -> tuple[pd.DataFrame, str]:
    rows = distinct("fallback", "first_message_ms", "bytes_per_minute")
    refused, passed = (row(rows, variant="socket_io upgrade", upgrades=upgrades) for upgrades in ("refuse", "pass"))
    return rows, (
        "Where the upgrade is refused, plain WebSocket delivers nothing; Socket.IO delivers its first message after "
        f"{refused.first_message_ms:.0f} ms ({passed.first_message_ms:.0f} ms where it passes), and then moves "
        f"{refused.bytes_per_minute / passed.bytes_per_minute:.1f} times the bytes"
    )


CONCLUDED: dict[str, tuple[str, Callable[[], tuple[pd.DataFrame, str]]]] = {
    "latency": ("latency", latency),
    "overhead": ("overhead", overhead),
    "layers": ("layers", layered),
    "interval": ("interval", interval),
    "rate": ("rate", rate),
    "rate, never fewer": ("rate", never_fewer),
    "load": ("load", load),
    "connections": ("connections", connections),
    "crowd": ("crowd", crowd),
    "fallback": ("fallback", fallback),
}


def test_every_conclusion_is_recomputed() -> None:
    assert {name for name, _ in CONCLUDED.values()} == set(QUESTIONS)


@pytest.mark.parametrize("case", CONCLUDED)
def test_the_conclusion_says_what_the_numbers_say(case: str) -> None:
    name, expect = CONCLUDED[case]
    rows, expected = expect()
    assert plain(QUESTIONS[name].conclusion(rows)) == expected


@pytest.mark.parametrize("name", ["load", "connections", "crowd"])
def test_a_cost_that_only_suspect_runs_have_measured_is_no_number(name: str) -> None:
    def suspect(_: Condition, result: Result) -> None:
        result["suspect"] = ["made up"]

    figure = QUESTIONS[name].figure(invented(name, suspect))
    assert re.match(
        r"Too many (runs are|points are limited by readers or machine, or their runs) suspect", title(figure)
    )
    assert not [text.get_text() for text in texts(figure) if re.search(r"\bnan\b", text.get_text())]


def test_a_crowd_slope_that_may_be_nothing_is_neither_a_number_nor_a_line() -> None:
    """With the hub, the CPU of a broadcast falls with the number of readers."""

    def falling(condition: Condition, result: Result) -> None:
        if condition.measures == "broadcasts" and condition.fan_out == "hub":
            result["metrics"] |= {f"step_{place}_cpu_ms": 60.0 - place for place in range(1, 6)}

    figure = QUESTIONS["crowd"].figure(invented("crowd", falling))
    said = [plain(text.get_text()) for text in texts(figure)]
    assert not [text for text in said if re.search(r"\bnan\b|[-\u2212]\d", text)]
    assert "WebSocket, hub" in said and any(re.match(r"WebSocket, tasks [\d.]+ µs", text) for text in said)
    for axes in figure.axes:
        dotted = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
        assert len(dotted) == (3 if axes is figure.axes[1] else 5)  # only tasks; how long polls take has no formula


def test_a_crowd_chart_of_a_few_points_or_none_has_an_axis_that_can_be_read() -> None:
    """Where something else used the machine, hardly a point may be left."""

    def starved(condition: Condition, result: Result) -> None:
        if condition.measures == "broadcasts":
            gone = ("cpu_ms", "median_ms", "last_ms")
            result["metrics"] |= {f"step_{place}_{name}": None for place in (2, 3, 4, 5) for name in gone}
            result["metrics"] |= {"step_1_last_ms": None}

    left, right = QUESTIONS["crowd"].figure(invented("crowd", starved)).axes
    assert len(left.get_yticklabels()) >= 1
    assert not right.get_lines()


BUSY = {
    (200.0, 1_200.0): "Server at 10 to 60 % of a core.",
    (190.0, 1_200.0): "Server at 10 to 60 % of a core: below 10 % in 1 of 2 runs, so slopes may be too large.",
    (20.0, 1_300.0): "Server at 1 to 65 % of a core: below 10 % in 1 of 2 runs, so slopes may be too large; "
    "above 60 % in 1 of 2 runs.",
}


def test_how_busy_the_server_was_is_what_the_runs_say() -> None:
    runs = pd.DataFrame({"clients": [0, 50, 50, 50], "suspect": [False, False, False, True], "window_s": 2.0})
    said = {busy: loads.busy(runs.assign(server_cpu_ms=[20.0, *busy, 1_980.0])) for busy in BUSY}
    assert said == BUSY


@every_question
def test_it_is_read_from_the_back_row(name: str) -> None:
    figure = drawn(name)
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
def test_names_do_not_overlap(name: str) -> None:
    figure = drawn(name)
    bold = [text for text in texts(figure) if text.get_fontweight() == "bold"]
    boxes = [(text.get_text(), text.get_window_extent()) for text in bold]
    for i, (one, its) in enumerate(boxes):
        for other, box in boxes[i + 1 :]:
            across = min(its.x1, box.x1) - max(its.x0, box.x0)
            down = min(its.y1, box.y1) - max(its.y0, box.y0)
            assert across <= 1 or down <= 4, (one, other)  # a line's height includes some air


@every_question
def test_the_same_data_gives_the_same_file(name: str) -> None:
    files = []
    for figure in (drawn(name), QUESTIONS[name].figure(measured(name))):
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
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
