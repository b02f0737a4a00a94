"""Judged on a network where no WebSocket gets through: first by whether everything arrives, then by what it costs.

Every browser of today has WebSocket; what may be missing is a network that lets it through. On one that refuses the
upgrade, and on one that cuts it, a plain WebSocket must bring nothing, or else nothing is shown. If Socket.IO loses a
message there or brings one twice, the claim does not hold. If it brings all, but the fallback costs more than its own
upgrade, or its comfort more than a plain WebSocket, beyond tolerance, the details are hidden from the code but not
from the bill: the claim holds with a condition. Memory is compared over WebSocket alone: by the usual way, two
connections that were polled over are kept open beside it for a while, which is a setting. How simple the code is, is
to be read, and is not measured.
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
    cpu_ms,
    measured,
    memory_kb,
    spread,
    trusted,
)
from experiments.questions.fallback import CONDITIONS
from experiments.report import words

TITLE = "Socket.IO falls back, unnoticed"
QUOTATION = (
    "它屏蔽了所有底层细节，让顶层调用非常简单。并且还为不支持WebSocket协议的浏览器，提供了长轮询的透明模拟机制。"
)
ENGLISH = (
    "Socket.IO hides all the details, so that using it is very simple. And where there is no WebSocket, "
    "it imitates it by long polling, without anybody noticing."
)
IF_IT_HELD = "Without WebSocket, everything would still arrive, and nobody would notice a difference."
CHARTS = ["fallback", "connections", "load"]


def judge(table: Table) -> Verdict:
    """Whether everything arrives without WebSocket, and what that and the comfort cost."""
    plain_ones = [c for c in CONDITIONS if c.transport == "websocket"]
    comfort = [c for c in CONDITIONS if c.transport == "socket_io"]
    without = measured(table, [c for c in plain_ones if c.undeliverable])
    if without.deliveries.any():
        raise Undecided("A plain WebSocket got through where none should: this network shows nothing.")
    fallen = [c for c in comfort if c.polls]
    runs = of(fallen, table.runs)  # of all of them: one that lost a message is doubted, but it did lose it
    arrived, twice = int(runs.deliveries.sum()), int(runs.duplicates.sum())
    lost = int((runs.missing + runs.late_joiners_missing).sum())
    if lost or twice:
        return Verdict(
            FAILS,
            "Not everything arrives, once.",
            f"Where no WebSocket gets through, Socket.IO lost {lost} of {arrived + lost} deliveries, "
            f"and brought {twice} more than once.",
        )
    fell = trusted(table, fallen)
    passing, plain = (
        trusted(table, [c for c in which if c.upgrades == "pass"]).iloc[0] for which in (comfort, plain_ones)
    )
    falling = [
        Comparison("bytes per message", worst(fell, "bytes_per_message"), spread(passing, "bytes_per_message")),
        Comparison("mean delay", worst(fell, "delay_mean_ms"), spread(passing, "delay_mean_ms"), words.seconds),
        Comparison(
            "time to the first message",
            worst(fell, "first_message_ms"),
            spread(passing, "first_message_ms"),
            words.seconds,
        ),
    ]
    comforting = [
        Comparison("set-up bytes", spread(passing, "setup_bytes"), spread(plain, "setup_bytes")),
        Comparison("bytes per message", spread(passing, "bytes_per_message"), spread(plain, "bytes_per_message")),
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
        " The fallback takes {} of Socket.IO’s own upgrade.": falling,
        " The comfort takes {} of a plain WebSocket.": comforting,
    }
    beyond = {said: [c.words for c in comparisons if c.beyond] for said, comparisons in costs.items()}
    bill = "".join(said.format(words.listed(parts)) for said, parts in beyond.items() if parts)
    price = "but at a cost" if noticed else f"and nothing costs more than {TOLERANCE:g} times as much"
    return Verdict(
        CONDITIONALLY if noticed else HOLDS,
        f"Everything arrives, {price}.",
        f"Where no WebSocket gets through, all {arrived} deliveries were made; over a plain WebSocket, none.{bill}",
        [
            *((f"fallback: {c.what}", c.number) for c in falling),
            *((f"comfort: {c.what}", c.number) for c in comforting),
        ],
    )


def worst(rows: pd.DataFrame, name: str) -> Cost:
    """On the network where it is most; raises Undecided if it is not measured."""
    if rows[name].isna().any():
        raise Undecided("The fallback was not measured whole: the report says what failed.")
    return spread(rows.loc[rows[name].idxmax()], name)
