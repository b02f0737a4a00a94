"""What the benchmark says, each sentence whole; numbers with two or three digits that mean something."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.bench.table import Spread

NO_RATIO = "readers were the limit"


def digits(value: float) -> str:
    """`0.34`, `9.4`, `41`, `1,234`."""
    if abs(value) >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2f}"


def over_rounds(spread: "Spread", unit: str) -> str:
    """`9.4 µs (8.8 to 11)`, where there are several rounds."""
    around = f" ({digits(spread.low)} to {digits(spread.high)})" if spread.low < spread.high else ""
    return f"{digits(spread.median)} {unit}{around}"


def ratio(spread: "Spread | None") -> str:
    """`**0.93** (0.90 to 0.97)`: small differences are what it is about."""
    if not spread:
        return NO_RATIO
    around = f" ({spread.low:.2f} to {spread.high:.2f})" if spread.low < spread.high else ""
    return f"**{spread.median:.2f}**{around}"


def beside(peer: str, spread: "Spread", unit: str) -> str:
    return f"{peer}: {over_rounds(spread, unit)}"


def met(is_met: bool | None) -> str:
    return {True: "yes", False: "no", None: "open"}[is_met]


def aims_head() -> str:
    return "| 1,000 readers where they share a cost | this server | peer | ratio | aim | met |"


def missed(what: str, now: float, most: float, unit: str) -> str:
    """An aim that is not met; a ratio has no unit."""
    after = f" {unit}" if unit else ""
    return f"{what}: {now:.3g}{after} instead of {most:g}{after}, {now / most - 1:.0%} more than the aim."


def floor(title: str, now: float, unit: str) -> str:
    """What a server that does nothing else reaches."""
    return f"{title} is at {now:.3g}{f' {unit}' if unit else ''}."


def held_row(held: int, wanted: int, possible: int, descriptors: int) -> str:
    """How many readers one process holds."""
    return (
        f"| WebSocket: readers that one process holds | {held:,} | | | ≥ {wanted:,}, or what the limit of open files "
        f"allows, here {possible:,} of {descriptors:,} | {met(held >= possible)} |"
    )


def introduction(rounds: int) -> str:
    """Above the aims."""
    times = "in one round" if rounds == 1 else f"in {rounds} rounds; medians, with the lowest and the highest round"
    return (
        f"Measured side by side on one machine, {times}. A ratio compares this server with its peer in the same round: "
        "below 1, this server costs less. Each server publishes the same messages to the same number of readers, one "
        "or ten per tick. CPU is all that the server uses meanwhile, publishing included. This server joins the ten "
        "messages of a tick into one write per reader; its peers write ten times, except `raw asyncio, joined` in the "
        "second table. Memory is read after a full garbage collection in each server. An aim is open if there are "
        "rounds on both sides of it, or just one round."
    )


def costs_say() -> str:
    """Above the costs."""
    return (
        "All servers, medians over the rounds; those that no aim names were measured in the first only. CPU is in "
        "µs per delivery with one message per tick, in brackets with ten; for long polling per response. `tasks` is "
        "this server with `--fan-out tasks`: a task per reader instead of the hub. Saturated, a server always has "
        "messages waiting to be published, here ten at a time."
    )


def costs_head(readers: Sequence[int]) -> str:
    cpu = " | ".join(f"CPU, {number:,} readers" for number in readers)
    return (
        f"| | delay, one reader, µs | {cpu} | last of 1,000 readers, ms | deliveries/s, saturated, 1,000 readers "
        "| memory per idle reader, KiB |"
    )


def row_title(transport: str, server: str) -> str:
    return f"{transport}: **{server}**" if server.startswith("this") else f"{transport}: {server}"


def cell(spread: "Spread | None") -> str:
    return digits(spread.median) if spread else ""


def one_and_ten(one: "Spread | None", ten: "Spread | None") -> str:
    """`9.4 (0.73)`."""
    return f"{cell(one)} ({cell(ten)})" if ten else cell(one)


def at_most(spread: "Spread | None", limited_by_readers: bool) -> str:
    """A time that is at most so long, where the readers were the limit."""
    return f"≤ {cell(spread)}" if spread and limited_by_readers else cell(spread)


def per_second(spread: "Spread | None", limited_by_readers: bool) -> str:
    """A rate, which is at least so high where the readers were the limit."""
    if not spread:
        return ""
    rounded = f"{float(f'{spread.median:.2g}'):,.0f}"
    return f"≥ {rounded}" if limited_by_readers else rounded


def polls_say() -> str:
    """Above the polls."""
    return (
        "This server responds to polls in two ways. With the hub, a poll with the same headers as one that was let in "
        "before gets its response at the connection; with `tasks`, each goes through uvicorn and the application. Even "
        "with the hub, a poll whose headers are new takes this ordinary way, and so does anything unusual. Here, "
        "repeated polls come on connections that are kept; each first poll comes on a connection of its own, with a "
        "header that no poll before it had, and its CPU includes opening and closing the connection. All responses "
        "are empty. Held polls are in the table above."
    )


def polls_head() -> str:
    return "| | CPU of a repeated poll, µs | CPU of a first poll, µs |"


def instrument(readers_us: float, load_low: float, load_high: float) -> str:
    """What the measuring side costs, and how busy the servers were."""
    return (
        f"Readers are raw sockets in processes of their own, and answer pings; a delivery costs them "
        f"{digits(readers_us)} µs (median). "
        "Where they were the limit, or a saturated server used less than 0.9 of a core, a number is marked with ≥ or "
        "≤, and no ratio uses the round. "
        f"While their CPU was measured, servers used {load_low:.2f} to {load_high:.2f} of a core. This server runs "
        "with its tap."
    )


def memory() -> str:
    return "Memory is the slope of the process's private memory over its idle readers; the kernel's is not in it."


def rounds() -> str:
    """Which of them have what."""
    return (
        "Everything is measured in the first round, what aims are set for in each, memory in the first two. There are "
        "as many rounds as there is time for."
    )


def native() -> str:
    """How Node's packages are installed."""
    return (
        "Node's servers have ws's optional native module, bufferutil, where it comes with a binary for the system. It "
        "masks and unmasks frames; a server's frames are not masked."
    )


def differences(typical: float, worst: float) -> str:
    """How far the rounds differ."""
    return f"The range over rounds is {typical:.0%} of the median for a typical number, and {worst:.0%} at most."


def machine(about: Mapping[str, Any], versions: Mapping[str, str], message_bytes: int) -> str:
    """Where it was measured, and with what."""
    packages = {name: about["packages"][name] for name in ("uvicorn", "uvloop", "starlette", "websockets")}
    made_of = ", ".join(f"{name} {version}" for name, version in {**versions, **packages}.items())
    return (
        f"{about['processor']}, {about['cores']} cores, {about['system']}, Python {about['python']}, {made_of}; "
        f"texts of {message_bytes} bytes, no compression. Numbers of another machine differ; ratios differ less."
    )


def missing(server: str, why: str) -> str:
    """A peer that is not in the tables."""
    return f"{server} was not measured: {why}"


def failed(round_number: int, job: str, why: str) -> str:
    """What could not be measured in a round."""
    return f"round {round_number}: {job} failed: {why}"


def resumed(folder: str, finished: int, rounds: int) -> str:
    return f"resuming {folder}: {finished} of {rounds} rounds are there"


def not_resumed(folder: str, differences: Sequence[str]) -> str:
    return f"{folder} is not resumed: {'; '.join(differences)}"


def needs_linux() -> str:
    return "the benchmark needs Linux: it reads the CPU and memory of other processes from /proc"


def installing() -> str:
    return "looking for the peers, and installing what they need"


def doing(round_number: int, job: str) -> str:
    return f"round {round_number}: {job}"


def time_left(left_s: float) -> str:
    return f"about {int(left_s) // 60}:{int(left_s) % 60:02} left"


def table_is_at(path: str) -> str:
    return f"table: {path}"


def interrupted() -> str:
    return "interrupted; finished rounds are kept, and the same command resumes"
