"""What a browser sees, and the one palette that pages and charts share (`palette.json`)."""

from pathlib import Path

INDEX = Path(__file__).with_name("index.html")
