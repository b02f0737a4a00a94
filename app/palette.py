"""Every transport's title, colours and marker, in teaching order. Charts and pages read the same file, palette.json."""

import json
from pathlib import Path

SHAPES = {
    "square": "M-8,-8 H8 V8 H-8 Z",
    "triangle": "M0,-9 L9,8 L-9,8 Z",
    "circle": "M-8.5,0 A8.5,8.5 0 1 1 8.5,0 A8.5,8.5 0 1 1 -8.5,0 Z",
    "diamond": "M0,-10 L10,0 L0,10 L-10,0 Z",
    "plus": "M-3.5,-9 H3.5 V-3.5 H9 V3.5 H3.5 V9 H-3.5 V3.5 H-9 V-3.5 H-3.5 Z",
}
"""How a marker is drawn: a path within 10 of the origin in each direction."""

PALETTE: dict[str, dict[str, str]] = {
    name: entry | {"shape": SHAPES[entry["marker"]]}
    for name, entry in json.loads(Path(__file__).with_name("palette.json").read_text()).items()
}
"""By transport: title, light, dark (colours on a light and on a dark page), marker, shape."""


def style_sheet() -> str:
    """The colours for pages: `--sse` is known everywhere, and `[data-transport="sse"]` has it as `--transport`."""
    colours = "".join(f"--{name}: light-dark({one['light']}, {one['dark']}); " for name, one in PALETTE.items())
    rules = "".join(f'[data-transport="{name}"] {{ --transport: var(--{name}); }}\n' for name in PALETTE)
    return f":root {{ {colours}}}\n{rules}"
