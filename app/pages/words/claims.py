"""The claims page around the verdicts, whose own texts are written where they are computed."""

from markupsafe import Markup

TITLE = "Claims"
HEADING = "What a note of 2016 claims, and what was measured"
NUMBERS = "The numbers behind it"
SEE_IT = "See it live:"
CHARTS = "Charts:"
HOW = "How the verdict is reached"
TERMS_TITLE = "Terms that mean something else today"


def introduction(title: str, date: str) -> Markup:
    return Markup(
        'This project grew out of a Chinese note, <q lang="zh">{}</q> ({}). These are its six claims. '
        "Every verdict and every number is computed from one comparison; results may differ on another machine."
    ).format(title, date)


def measured(day: str, size: str, commit: str, machine: str, folder: str) -> Markup:
    """Of which comparison the page speaks."""
    return Markup(
        "Measured {} (size <code>{}</code>, commit <code>{}</code>) on {}. From <code>results/{}</code>."
    ).format(day, size, commit, machine, folder)


def machine(processor: str, cores: object, system: str, python: str) -> str:
    return f"{processor}, {cores} cores, {system}, Python {python}"


def instead(other: str) -> str:
    """A link to the other comparison."""
    return {
        "reference": "Show the project’s reference instead",
        "latest": "Show the last comparison on this machine instead",
    }[other]


def show(other: str) -> Markup:
    return Markup("Show <code>results/{}</code> instead").format(other)


def if_it_held(consequence: str) -> str:
    return f"If it held: {consequence}"


def tolerance(times: object) -> str:
    return (
        f"Beyond tolerance means more than {times} times as much for all values within the intervals. "
        "A cost that was measured once has no interval."
    )


def term(word: str, literally: str) -> Markup:
    return Markup('<span lang="zh">{}</span> “{}”').format(word, literally)


def meaning(quotation: str, meaning: str, today: str) -> Markup:
    return Markup('<q lang="zh">{}</q>: {}. <strong>Today: {}.</strong>').format(quotation, meaning, today)


def no_verdicts(name: str) -> str:
    return f"results/{name} has no verdicts yet: `make compare` measures and writes them."


def unreadable(name: str) -> str:
    return f"The verdicts in results/{name} can’t be read: `make report RESULTS=results/{name}` writes them again."


PLACES = {
    "/modes/sse?rate=1&delay=300": "SSE, live",
    "/modes/short-poll?pause=1&rate=1&delay=25": "Polling every second",
    "/race": "The race",
    "/modes/short-poll?pause=1&rate=0.2": "Rare messages",
    "/modes/short-poll?pause=1&rate=10": "Frequent messages",
    "/modes/sse?rate=0.1": "SSE, almost silent",
    "/modes/websocket?rate=0.1": "WebSocket, almost silent",
    "/modes/websocket?rate=1&delay=300&stopped=1": "The handshake, step by step",
    "/chat": "Both directions, in a chat",
    "/modes/socket-io?rate=1&upgrades=refuse": "Socket.IO behind a proxy that refuses WebSocket",
}
"""What can be seen at an address that a claim leads to."""
