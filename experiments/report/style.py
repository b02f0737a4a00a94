"""How charts look: the pages' own colours, text that the back row can read, and the same bytes every time."""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.variants import VARIANTS

INK, GREY, PALE = "#1A1A1A", "#5C5C5C", "#DDDDDD"
SMALL, TEXT, BIG = 19, 21, 31
matplotlib.rcParams.update(
    {
        "axes.edgecolor": GREY,
        "axes.labelcolor": INK,
        "axes.labelsize": TEXT,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 23,
        "figure.dpi": 100,
        "figure.figsize": (19.2, 10.8),
        "font.family": "DejaVu Sans",
        "font.size": TEXT,
        "lines.linewidth": 3,
        "lines.markersize": 13,
        "svg.fonttype": "path",
        "svg.hashsalt": "transport-compare",
        "text.color": INK,
        "xtick.color": INK,
        "xtick.labelsize": SMALL,
        "ytick.color": INK,
        "ytick.labelsize": SMALL,
    }
)


def colour(variant: str) -> str:
    return VARIANTS[variant].colour


def marker(variant: str) -> str:
    return VARIANTS[variant].marker


def figure(conclusion: str) -> Figure:
    """An empty 1920 x 1080 figure whose title is what the data says, in as many lines as it needs."""
    made = Figure()
    title = made.text(0.03, 0.972, conclusion, fontsize=BIG, weight="bold", va="top")
    for points in (BIG, BIG - 3, BIG - 6):
        title.set_fontsize(points)
        for width in range(120, 40, -2):
            title.set_text("\n".join(lines := textwrap.wrap(conclusion, width)))
            if title.get_window_extent().width <= 0.94 * made.bbox.width:
                break
        if len(lines) <= 2:
            break
    return made


def footnote(made: Figure, text: str) -> None:
    """What a reader has to know to not be misled, at the bottom."""
    made.text(0.03, 0.018, text, fontsize=SMALL, color=GREY, va="bottom")


def label_ends(axes: Axes, ends: Iterable[tuple[float, float, str, str]], gap_points: float = 25) -> None:
    """Name lines at their right end, (x, y, text, colour) each, spread so that no two names overlap."""
    ordered = sorted(ends, key=lambda end: end[1])
    wanted = [float(axes.transData.transform((x, y))[1]) * 72 / axes.figure.dpi for x, y, _, _ in ordered]
    clusters: list[list[float]] = []  # of names that touch; each is centred on where its lines end
    for at in wanted:
        clusters.append([at])
        while len(clusters) > 1 and _top(clusters[-2], gap_points) + gap_points > _bottom(clusters[-1], gap_points):
            clusters[-2:] = [clusters[-2] + clusters[-1]]
    places = [_bottom(cluster, gap_points) + i * gap_points for cluster in clusters for i in range(len(cluster))]
    lowest, highest = (float(edge) * 72 / axes.figure.dpi for edge in (axes.bbox.y0, axes.bbox.y1))
    places = [min(place, highest - (i + 0.5) * gap_points) for i, place in enumerate(reversed(places))][
        ::-1
    ]  # below the title
    places = [max(place, lowest + (i + 0.5) * gap_points) for i, place in enumerate(places)]  # above the names of ticks
    for (x, y, text, shade), at, place in zip(ordered, wanted, places, strict=True):
        axes.annotate(
            text, (x, y), xytext=(30, place - at), textcoords="offset points", color=shade,
            fontsize=TEXT, weight="bold", va="center", annotation_clip=False,
        )  # fmt: skip


def _bottom(cluster: Sequence[float], gap: float) -> float:
    return sum(cluster) / len(cluster) - gap * (len(cluster) - 1) / 2


def _top(cluster: Sequence[float], gap: float) -> float:
    return _bottom(cluster, gap) + gap * (len(cluster) - 1)


def apart(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose curves are seen: not those of a variant that would lie on another's."""
    return rows[[not VARIANTS[variant].coincides_with for variant in rows.variant]]


def plain_ticks(axis: Any, values: Sequence[float], names: Sequence[str]) -> None:
    """Ticks at `values` only, named in plain words."""
    axis.set_major_locator(matplotlib.ticker.FixedLocator(values))
    axis.set_major_formatter(matplotlib.ticker.FixedFormatter(names))
    axis.set_minor_locator(matplotlib.ticker.NullLocator())


def save(made: Figure, path: Path) -> None:
    """Write `path`.svg and `path`.png; the same figure gives the same SVG, to the byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    made.savefig(path.with_suffix(".png"))
