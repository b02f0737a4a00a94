"""Pictures of every page, to be looked at: `.venv/bin/python -m tests.screenshots [FOLDER [PAGE...]]`.

At the three sizes that the pages are made for, light and dark, once there is something to see. With FOLDER, all of
them, or those of the pages that are named; without, only those that the README shows, into `results/pages/`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page

from tests.browsing import browsing, launched
from tests.chromium import find, how_to_install
from tests.serving import Running, serving

SIZES = {"1080p": (1920, 1080), "720p": (1280, 720), "phone": (390, 844)}
SHOWN = {
    ("long-poll", "1080p", "light"),
    ("socket-io", "1080p", "light"),
    ("race", "1080p", "dark"),
    ("crowd", "720p", "light"),
    ("limits", "720p", "light"),
    ("chat", "720p", "light"),
}


@dataclass(frozen=True)
class Scene:
    """A page, what is done on it, and for how long it is then watched; the `whole` page, or what a screen shows."""

    name: str
    path: str
    keys: str = ""
    click: str = ""
    watch_s: float = 1.0
    whole: bool = False
    act: Callable[[Page, Running], Awaitable[None]] | None = None


async def talk(page: Page, running: Running) -> None:
    """Four are in the chat when somebody joins, and all of them talk."""
    for name, transport in (
        ("Ada", "short_poll"),
        ("Alan", "long_poll"),
        ("Edsger", "websocket"),
        ("Radia", "socket_io"),
    ):
        running.chat.join(name, name, transport)
    await page.fill("#name", "Grace")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-state=there]")
    for name, text in (
        ("Ada", "Is anybody there?"),
        ("Edsger", "We are, and we have been for a while: ask more often."),
    ):
        running.log.publish(text, name)
        await asyncio.sleep(1)
    await page.fill("#text", "I never have to ask.")
    await page.keyboard.press("Enter")
    await asyncio.sleep(3)


async def every_limit(page: Page, _: Running) -> None:
    """All four experiments, one after the other."""
    for name in ("six", "sockets", "equal"):
        await page.click(f"#run-{name}:not([aria-disabled])")
        await page.wait_for_selector(f"#{name} [data-state=ended]")
    await page.click("#record-hidden")
    await asyncio.sleep(3)
    await page.keyboard.press("Escape")


async def everybody(page: Page, _: Running) -> None:
    """Some messages for everybody, and the last of them in slow motion until its end."""
    await page.keyboard.press("Space")
    await page.wait_for_selector("[data-lane=hub][data-messages='6']")
    await page.keyboard.press("Space")
    await page.wait_for_selector(".lanes[data-stage=idle]")


SCENES = (
    Scene("home", "/"),
    Scene("short-poll", "/modes/short-poll?answer=shown", watch_s=16),
    Scene("long-poll", "/modes/long-poll?answer=shown", watch_s=16),
    Scene("sse", "/modes/sse?rate=1", keys="x", watch_s=7),
    Scene("websocket", "/modes/websocket?rate=1", watch_s=7),
    Scene("socket-io", "/modes/socket-io?rate=1&delay=400", watch_s=5.2),
    Scene("race", "/race", watch_s=20),
    Scene("chat", "/chat", act=talk),
    Scene("crowd", "/crowd", act=everybody),
    Scene("crowd-whole", "/crowd?readers=50&over=sse", act=everybody, whole=True),
    Scene("limits", "/limits", click="#run-six", watch_s=2),
    Scene("limits-whole", "/limits?pause=0.1&away=4&hold=2", act=every_limit, whole=True),
    Scene("away", "/limits/away?seconds=60"),
    Scene("claims", "/claims"),
    Scene("claims-whole", "/claims", whole=True),
    Scene("problem", "/modes/carrier-pigeon"),
)


async def take(chromium: Browser, scene: Scene, size: str, scheme: str, folder: Path) -> None:
    width, height = SIZES[size]
    async with (
        serving() as running,
        browsing(
            chromium,
            running,
            path=scene.path,
            width=width,
            height=height,
            dark=scheme == "dark",
            expected=("net::ERR_", "WebSocket connection to", "status of 404"),
        ) as page,
    ):
        await asyncio.sleep(scene.watch_s)
        await do(page, scene)
        if scene.act:
            await scene.act(page, running)
        name = f"{scene.name}-{size}-{scheme}.png"
        await page.screenshot(path=folder / name, full_page=scene.whole)
        print(name)


async def do(page: Page, scene: Scene) -> None:
    if scene.click:
        await page.click(scene.click)
    for key in scene.keys:
        await page.keyboard.press(key)
    if scene.click or scene.keys:
        await asyncio.sleep(3)


async def main(folder: Path | None, names: Sequence[str] = ()) -> None:
    chromium_path = find()
    if chromium_path is None:
        sys.exit(how_to_install())
    where = folder or Path(__file__).parent.parent / "results" / "pages"
    where.mkdir(parents=True, exist_ok=True)
    async with launched(chromium_path) as chromium:
        for scene in (scene for scene in SCENES if not names or scene.name in names):
            for size in SIZES:
                for scheme in ("light", "dark"):
                    if folder or (scene.name, size, scheme) in SHOWN:
                        await take(chromium, scene, size, scheme, where)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None, sys.argv[2:]))
