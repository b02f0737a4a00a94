"""Judged on networks where no WebSocket gets through: first by whether everything arrives, then by the cost.

Every browser has WebSocket today; what may be missing is a network that lets it through. One network refuses the
upgrade, one cuts it; a plain WebSocket must deliver nothing there, or nothing is shown. If Socket.IO loses a message
there, or delivers one twice, the claim does not hold. If it delivers everything, but the fallback costs more than its
own upgrade, or its comfort more than a plain WebSocket, beyond tolerance, then the details are hidden from the code
but not from the bill: the claim holds with a condition. Memory is compared over WebSocket alone: by default, two
connections that were used for polling stay open beside it for a while, which is a setting. How simple the code is, you
can read; it is not measured.
"""

import pandas as pd

from experiments.analysis.tables import Table, of
from experiments.claims.verdict import (
    CONDITIONALLY,
    FAILS,
    HOLDS,
    TOLERANCE,
    Comparison,
    Cost,
    Undecided,
    Verdict,
    any_beyond,
    cost,
    cpu_ms,
    measured,
    memory_kb,
    trusted,
)
from experiments.questions.fallback import CONDITIONS
from experiments.report import words

TITLE = "Socket.IO falls back unnoticed"
QUOTATION = (
    "它屏蔽了所有底层细节，让顶层调用非常简单。并且还为不支持WebSocket协议的浏览器，提供了长轮询的透明模拟机制。"
)
ENGLISH = (
    "Socket.IO hides all the details, so it is very simple to use. And where there is no WebSocket, "
    "it imitates it by long polling, without anybody noticing."
)
IF_IT_HELD = "Without WebSocket, everything would still arrive, and nobody would notice a difference."
CHARTS = ["fallback", "connections", "load"]


def judge(table: Table) -> Verdict:
    """Whether everything arrives without WebSocket, and what that and the comfort cost."""
    plain_ones = [c for c in CONDITIONS if c.kind.without_websocket == "fails"]
    comfort = [c for c in CONDITIONS if c.kind.without_websocket == "polls"]
    without = measured(table, [c for c in plain_ones if c.undeliverable])
    if without.deliveries.any():
        raise Undecided("A plain WebSocket got through where none should, so this network shows nothing.")
    fallen = [c for c in comfort if c.polls]
    runs = of(fallen, table.runs)  # all of them: a run that lost a message is suspect, but it did lose it
    arrived, twice = int(runs.deliveries.sum()), int(runs.duplicates.sum())
    lost = int((runs.missing + runs.late_joiners_missing).sum())
    if lost or twice:
        return Verdict(
            FAILS,
            "Not everything arrives exactly once.",
            f"Where no WebSocket gets through, Socket.IO lost {lost} of {arrived + lost} deliveries, "
            f"and delivered {twice} more than once.",
        )
    fell = trusted(table, fallen)
    passing, plain = (
        trusted(table, [c for c in which if c.upgrades == "pass"]).iloc[0] for which in (comfort, plain_ones)
    )
    falling = [
        Comparison(
            "bytes per message", worst(table, fell, "bytes_per_message"), cost(table, passing, "bytes_per_message")
        ),
        Comparison(
            "mean delay", worst(table, fell, "delay_mean_ms"), cost(table, passing, "delay_mean_ms"), words.seconds
        ),
        Comparison(
            "time to the first message",
            worst(table, fell, "first_message_ms"),
            cost(table, passing, "first_message_ms"),
            words.seconds,
        ),
    ]
    comforting = [
        Comparison("set-up bytes", cost(table, passing, "setup_bytes"), cost(table, plain, "setup_bytes")),
        Comparison(
            "bytes per message", cost(table, passing, "bytes_per_message"), cost(table, plain, "bytes_per_message")
        ),
        Comparison("server CPU per message", cpu_ms(table, "socket_io upgrade"), cpu_ms(table, "websocket"), words.cpu),
        Comparison(
            "server memory per reader",
            memory_kb(table, "socket_io websocket"),
            memory_kb(table, "websocket"),
            words.kilobytes,
        ),
    ]
    noticed = any_beyond(falling + comforting)
    costs = {
        " The fallback costs {} of Socket.IO’s own upgrade.": falling,
        " The comfort costs {} of a plain WebSocket.": comforting,
    }
    beyond = {said: [c.words for c in comparisons if c.beyond] for said, comparisons in costs.items()}
    bill = "".join(said.format(words.listed(parts)) for said, parts in beyond.items() if parts)
    return Verdict(
        CONDITIONALLY if noticed else HOLDS,
        "Everything arrives, but at a cost."
        if noticed
        else f"Everything arrives, and nothing costs more than {TOLERANCE:g} times as much.",
        f"Where no WebSocket gets through, Socket.IO made all {arrived} deliveries, and a plain WebSocket none.{bill}",
        [
            *((f"fallback: {c.what}", c.number) for c in falling),
            *((f"comfort: {c.what}", c.number) for c in comforting),
        ],
    )


def worst(table: Table, rows: pd.DataFrame, name: str) -> Cost:
    """On the network where it is most; raises Undecided if it is not measured."""
    if rows[name].isna().any():
        raise Undecided("The fallback was not fully measured; the report says what failed.")
    return cost(table, rows.loc[rows[name].idxmax()], name)
