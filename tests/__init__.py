"""The tests: a folder for each of the project's, and beside them what they share."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
