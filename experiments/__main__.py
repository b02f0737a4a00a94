"""`python -m experiments`: measure and compare, or draw a report again."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from experiments import store
from experiments.compare import SEED, compare
from experiments.questions import QUESTIONS
from experiments.report import readme, reference, report, terminal
from experiments.report.check import problems, sound
from experiments.run import pcap, recording


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description="Measures the transports.")
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("compare", help="measure, and write charts and a report")
    size = measuring.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", dest="size", action="store_const", const="quick", help="a first look, in under a minute"
    )
    size.add_argument(
        "--full", dest="size", action="store_const", const="full", help="for publication: more repeats, longer runs"
    )
    measuring.add_argument(
        "--only", action="append", default=[], choices=QUESTIONS, help="this question; may be repeated"
    )
    measuring.add_argument(
        "--seed", type=int, default=SEED, help="for arrivals, phases and order (default: %(default)s)"
    )
    measuring.add_argument("--new", action="store_true", help="start a new one, even if one was interrupted")
    measuring.add_argument(
        "--results", type=Path, default=store.RESULTS, metavar="DIR", help="where to put them (default: results)"
    )
    drawing = commands.add_parser("report", help="draw charts and report again from stored data")
    drawing.add_argument("folder", type=Path)
    checking = commands.add_parser("check", help="say whether stored results make sense; exit code 1 if they do not")
    checking.add_argument("folder", type=Path)
    quoting = commands.add_parser("readme", help="write what the reference comparison says into README.md")
    quoting.add_argument("folder", type=Path, nargs="?", default=store.RESULTS / "reference")
    keeping = commands.add_parser("keep", help="make several comparisons the reference: results/reference")
    keeping.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="a session each, at least three")
    capturing = commands.add_parser("pcap", help="write a recording (python -m app --record FILE) for Wireshark")
    capturing.add_argument("recording", type=Path)
    capturing.add_argument("out", type=Path, metavar="OUT.pcapng")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    try:
        if options.command == "compare":
            return compare(options.size or "default", options.only, options.seed, options.new, options.results, console)
        if options.command == "keep":
            console.print(f"kept as {reference.keep(options.folders, console)}")
            return 0
        if options.command == "pcap":
            packets = pcap.write(recording.read(options.recording), options.out)
            console.print(f"{options.out}: {packets} packets; their TCP and IP headers are synthesised")
            return 0
        if options.command == "readme":
            readme.write(store.RESULTS.parent / "README.md", options.folder)
            return 0
        summary = report.write(options.folder, console)
        if options.command == "check":
            found = problems(summary)
            console.print("\n".join(found) or sound(summary))
            return 1 if found else 0
        console.print(terminal.overview(summary))
        return 0
    except KeyboardInterrupt:
        console.print("interrupted; what is finished is kept, and the same command resumes it")
        return 130
    except (report.NoResults, reference.NotAlike, store.Busy, store.Newer, OSError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
