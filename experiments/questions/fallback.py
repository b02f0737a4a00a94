"""What if WebSocket does not get through?

Some networks have a middlebox that does not understand the request to upgrade: a proxy answers it with an error, a
firewall cuts the connection. Here the emulated network does so, and lets everything else pass.

A WebSocket client then never receives anything. All it can do is try again, as most scripts do: here a second after a
refusal, and within five seconds after a cut. Socket.IO has begun by polling before it knows, so nothing is lost: it
notices that the upgrade has failed, and keeps polling. Like long polling, it then pays a request per batch of
messages, and the bytes of it.

*First message* is the time from nothing, not even a connection, to a message that is already in the log. It is
measured with readers that join one by one while messages flow, and stay for a while; none may miss a message between
their first and their last. The other readers receive one message per second at random times. Raw clients send a
browser's headers, and the same requests as the official clients. The emulated delay is 25 ms each way; a new
connection takes another round trip for its handshake.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.tables import Table
from experiments.design import Condition, Upgrades
from experiments.report import style, words

TITLE = "Fallback"
NETWORKS: dict[Upgrades, str] = {"pass": "passes", "refuse": "gets a 400", "cut": "is cut"}
"""What becomes of the request to upgrade."""

READERS: dict[str, Any] = {"one_way_delay_ms": 25.0, "client": "raw", "headers": "browser", "late_joiners": 4}
CONDITIONS = [
    condition
    for upgrades in NETWORKS
    for condition in (
        Condition("websocket", upgrades=upgrades, **READERS),
        Condition("socket_io", via="upgrade", upgrades=upgrades, **READERS),
    )
]
ROWS = [("websocket", upgrades) for upgrades in NETWORKS] + [("socket_io upgrade", upgrades) for upgrades in NETWORKS]
PANELS = {
    "first_message_ms": "first message after",
    "delay_mean_ms": "mean delay after that",
    "bytes_per_minute": "bytes per minute",
}


def figure(table: Table) -> Figure:
    """For each network: how long the first message takes, then the mean delay and the bytes."""
    made = style.figure(conclusion(table.summary))
    for column, (name, said) in enumerate(PANELS.items()):
        axes = made.add_axes((0.285 + 0.245 * column, 0.13, 0.165, 0.65))
        axes.set_title(said, pad=14)
        bars(axes, table.summary, name, named=not column)
    style.footnote(
        made,
        "1 message/s, 25 ms emulated delay each way, raw clients, a browser's headers. WebSocket retries: 1 s after a "
        "refusal, within 5 s after a cut.",
    )
    return made


def conclusion(summary: pd.DataFrame) -> str:
    """What each does where the upgrade is refused, and at what cost."""
    rows = summary.set_index(["variant", "upgrades"])
    here, refused = rows.loc[("socket_io upgrade", "pass")], rows.loc[("socket_io upgrade", "refuse")]
    plain = rows.loc[("websocket", "refuse")]
    got = "nothing" if not plain.deliveries else f"{plain.deliveries} messages"
    return (
        f"Where the upgrade is refused, plain WebSocket delivers {got}; Socket.IO delivers its first message after "
        f"{words.seconds(refused.first_message_ms)} ({words.seconds(here.first_message_ms)} where it passes), and then "
        f"moves {words.times(refused.bytes_per_minute / here.bytes_per_minute)} times the bytes"
    )


def bars(axes: Axes, summary: pd.DataFrame, name: str, named: bool) -> None:
    """A bar per client and network; words where there is nothing to draw."""
    rows = summary.set_index(["variant", "upgrades"])
    most = max(float(rows.loc[key][name]) for key in ROWS if rows.loc[key][name] == rows.loc[key][name])
    for place, (variant, upgrades) in enumerate(ROWS):
        value, y = float(rows.loc[(variant, upgrades)][name]), -place - 0.5 * (variant != "websocket")
        if value != value:
            said = " never" if not rows.loc[(variant, upgrades)].deliveries else " not measured"
            axes.text(0, y, said, va="center", weight="bold", color=style.colour(variant))
            continue
        axes.barh(y, value, 0.7, color=style.colour(variant), alpha=1.0 if upgrades == "pass" else 0.55)
        said = words.size(value) if name == "bytes_per_minute" else words.seconds(value)
        axes.text(value + 0.03 * most, y, said, va="center", fontsize=style.TEXT)
    axes.set(xlim=(0, most * 1.32), ylim=(-len(ROWS) - 0.1, 0.6), xticks=[])
    axes.spines["bottom"].set_visible(False)
    axes.set_yticks(
        [-place - 0.5 * (variant != "websocket") for place, (variant, _) in enumerate(ROWS)],
        [NETWORKS[upgrades] if named else "" for _, upgrades in ROWS],
    )
    for label, (variant, _) in zip(axes.get_yticklabels(), ROWS, strict=True):
        label.set_color(style.colour(variant))
        if named:
            label.set_fontsize(style.TEXT)
    axes.tick_params(axis="y", length=0)
    for middle, variant in ((1.0, "websocket"), (4.5, "socket_io upgrade")):
        if named:
            axes.text(
                -1.55, -middle, f"{words.title(variant)}:\nthe upgrade ...", transform=axes.get_yaxis_transform(),
                weight="bold", color=style.colour(variant), va="center",
            )  # fmt: skip
