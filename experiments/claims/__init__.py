"""The claims of the note that this project grew out of, and what a comparison says of each.

Each module is a claim: what decides it (the docstring), its title, the note's words, what they mean in English, what
would be so if it held, the questions that decide it, and `judge(table)`, which makes a verdict of the numbers. No
verdict is written down anywhere: results may differ on another machine.
"""

import inspect
from typing import Any, Protocol

from experiments.analysis.tables import Table
from experiments.claims import asking, every_second, fallback, handshake, polling_waste, streaming_waste
from experiments.claims.verdict import TOLERANCE, UNDECIDED, Undecided, Verdict
from experiments.questions import QUESTIONS

NOTE = {"title": "web Socket和Socket.IO框架", "date": "2016-01-10"}


class Claim(Protocol):
    """What a module in this folder offers. CHARTS: the questions that decide it, and show it."""

    TITLE: str
    QUOTATION: str
    ENGLISH: str
    IF_IT_HELD: str
    CHARTS: list[str]

    def judge(self, table: Table) -> Verdict:
        """What the runs of all questions say; raises Undecided if they do not decide it."""


CLAIMS: tuple[Claim, ...] = (asking, every_second, polling_waste, streaming_waste, handshake, fallback)
"""In the note's order: claim 1 is the first."""

TERMS = (
    {
        "word": "长轮询",
        "literally": "long polling",
        "quotation": "客户端每隔很短的时间，都会对服务器发出请求，查看是否有新的消息",
        "meaning": "a request every short interval, to see whether there is a new message",
        "today": "short polling",
    },
    {
        "word": "长连接",
        "literally": "long connection",
        "quotation": "客户端只请求一次，但是服务器会将连接保持",
        "meaning": "one request; the server keeps the connection open and sends data whenever there is some",
        "today": "HTTP streaming; in browsers, server-sent events (SSE)",
    },
    {
        "word": "长轮询的透明模拟",
        "literally": "transparent imitation by long polling",
        "quotation": "提供了长轮询的透明模拟机制",
        "meaning": "what Socket.IO does without WebSocket; here the word means what it means today",
        "today": "long polling: a request held until there is news (RFC 6202), which the note does not describe",
    },
)
"""Words of the note that mean something else today."""


def judged(claim: Claim, table: Table) -> Verdict:
    """The verdict on a claim, even if it is that this comparison does not decide it."""
    try:
        return claim.judge(table)
    except Undecided as why:
        return Verdict(UNDECIDED, "This comparison does not decide it.", str(why), why.numbers)


def content(table: Table) -> dict[str, Any]:
    """claims.json: everything that is said of the claims, as plain data. `table` has all runs of all questions."""
    verdicts = [judged(claim, table) for claim in CLAIMS]
    return {
        "measured_utc": table.runs.started_utc.min(),
        "note": NOTE,
        "tolerance": TOLERANCE,
        "claims": [
            {
                "number": number,
                "title": claim.TITLE,
                "quotation": claim.QUOTATION,
                "english": claim.ENGLISH,
                "if_it_held": claim.IF_IT_HELD,
                "how": (inspect.getdoc(claim) or "").split("\n\n"),
                "verdict": verdict.word,
                "sentence": verdict.sentence,
                "found": verdict.found,
                "numbers": [list(number) for number in verdict.numbers],
                "charts": {name: QUESTIONS[name].TITLE for name in claim.CHARTS},
            }
            for number, (claim, verdict) in enumerate(zip(CLAIMS, verdicts, strict=True), 1)
        ],
        "terms": list(TERMS),
    }
