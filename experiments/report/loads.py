"""What is said of a busy server: names, sentences and its table, each whole."""

import pandas as pd

from experiments.analysis import costs
from experiments.design import FanOut
from experiments.report import words
from experiments.report.crowds import Numbers, microseconds

FAN_OUTS: dict[FanOut, str] = {"tasks": "a task per reader", "hub": "the hub"}
"""The usual one first, and what they are called."""

BUSY_PERCENT = (10, 60)
"""Of a core: from less, waking up is in the slope; with more, waiting is."""


def key() -> str:
    """What the two kinds of bars mean."""
    return "Hollow: a task per reader, every poll through uvicorn. Filled: the hub; the tap responds to polls it knows."


def percent(runs: pd.DataFrame) -> "pd.Series[float]":
    """How busy the server was in each run with readers, in percent of a core; no suspect runs, if there are others."""
    its = runs[runs.clients > 0]
    its = its if its.suspect.all() else its[~its.suspect]
    found: pd.Series[float] = its.server_cpu_ms / its.window_s / 10
    return found


def busy(runs: pd.DataFrame) -> str:
    """How busy the server was, from the least to the most, and in how many runs not as it should be."""
    its, (low, high) = percent(runs), BUSY_PERCENT
    said = f"Server at {its.min():.0f} to {its.max():.0f} % of a core"
    idle, full = int((its < low).sum()), int((its > high).sum())
    flags = [
        *([f"below {low} % in {idle} of {len(its)} runs, so slopes may be too large"] if idle else []),
        *([f"above {high} % in {full} of {len(its)} runs"] if full else []),
    ]
    return f"{said}{': ' if flags else ''}{'; '.join(flags)}."


def undecided() -> str:
    """Instead of a conclusion."""
    return "Too many runs are suspect to say what a response or a push costs this server under load"


def concluded(tasks_us: "pd.Series[float]", hub_us: "pd.Series[float]") -> str:
    """What a response and a push cost, in us by variant: the usual way first, then with shared work."""

    names = ("short_poll", "long_poll", "websocket")
    (poll, held, pushed), hub = ([microseconds(us[name]) for name in names] for us in (tasks_us, hub_us))
    return (
        f"Under load, with a task per reader, a short poll costs this server {poll} of CPU, a long poll {held}, and a "
        f"push over WebSocket {pushed}; with the hub and its shortcut {words.listed(hub)}"
    )


def numbers(runs: pd.DataFrame) -> Numbers:
    """One row per variant, with the hub and with tasks."""
    head = ["transport"]
    columns = []
    for fan_out, how in FAN_OUTS.items():
        head += [f"server CPU per response or push, {how}, 95 % interval", "server's CPU, of a core"]
        columns.append(column(runs, fan_out))
    names = list(dict.fromkeys(name for its in columns for name in its))
    unknown = (words.interval(float("nan"), float("nan"), ""), "")
    return (
        "",
        head,
        [[words.title(name), *(cell for its in columns for cell in its.get(name, unknown))] for name in names],
    )


def column(runs: pd.DataFrame, fan_out: FanOut) -> dict[str, tuple[str, str]]:
    """By variant: the cost with its interval, and how busy the server was."""
    cost, shares = costs.load(runs, fan_out=fan_out).dropna(), percent(runs)
    found = {}
    for row in cost.to_dict("records"):
        its = runs.loc[shares.index]
        its = shares[(its.variant == row["variant"]) & (its.fan_out == fan_out) & its.tap]
        around = f"{its.min():.0f} to {its.max():.0f} %" if len(its) else ""
        found[str(row["variant"])] = (words.interval(1000 * row["ms"], 1000 * row["half_ms"], "µs"), around)
    return found
