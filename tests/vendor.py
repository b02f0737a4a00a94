"""`make vendor`: fetches the JavaScript that is not ours, for the pages and for the tests.

A file here is byte for byte the one of its library's npm package and has the same path in it. `manifest.json` beside
the libraries says what is there: `{package: {version, license, files: {path: sha256}}}`. To update is to run this and
the tests, and to commit what changed; to add a library is a line below and, for the pages, one in `imports.json`.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "app/pages/static/vendored"
TESTS = ROOT / "tests/vendored"


@dataclass(frozen=True)
class Library:
    package: str
    versions: str
    """Which of them are accepted; the newest is taken."""
    files: tuple[str, ...]


# The files that npm calls `module` or `browser`: ES modules, minified. One is not: Socket.IO, for pages of others.
LIBRARIES = {
    PAGES: (
        Library("preact", "^11.2", ("LICENSE", "dist/preact.mjs", "hooks/dist/hooks.mjs")),
        Library("@preact/signals", "^2.11", ("LICENSE", "dist/signals.module.js")),
        Library("@preact/signals-core", "^1.14", ("LICENSE", "dist/signals-core.module.js")),
        Library("htm", "^3.1", ("LICENSE", "dist/htm.module.js", "preact/index.module.js")),
        Library("socket.io-client", "^4.8", ("LICENSE", "dist/socket.io.esm.min.js", "dist/socket.io.min.js")),
        Library(
            "@highlightjs/cdn-assets",
            "^11.12",
            ("LICENSE", "es/core.min.js", "es/languages/javascript.min.js", "es/languages/python.min.js"),
        ),
    ),
    TESTS: (Library("axe-core", "^4.14", ("LICENSE", "LICENSE-3RD-PARTY.txt", "axe.min.js")),),
}


def fetch(npm: str, library: Library, into: Path) -> dict[str, Any]:
    """Write the library's files below `into`, and return its entry of the manifest; raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as temporary:
        asked = f"{library.package}@{library.versions}"
        command = [npm, "pack", "--loglevel=error", "--pack-destination", temporary, asked]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(temporary).glob("*.tgz"))) as archive:

            def content(path: str) -> bytes:
                file = archive.extractfile(f"package/{path}")
                assert file is not None, f"{library.package} has a folder {path}"
                return file.read()

            about = json.loads(content("package.json"))
            contents = {path: content(path) for path in library.files}
    for path, data in contents.items():
        file = into / library.package / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in contents.items()}
    return {"version": about["version"], "license": about["license"], "files": hashes}


def refresh(npm: str, folder: Path, libraries: tuple[Library, ...]) -> None:
    """Put a new folder in the place of the old one once all of it is there; our own import map moves along."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".vendored-") as temporary:
        new = Path(temporary, "new")
        manifest = {library.package: fetch(npm, library, new) for library in libraries}
        (new / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        if (imports := folder / "imports.json").exists():
            shutil.copy(imports, new)
        if folder.exists():
            folder.rename(Path(temporary, "old"))
        new.rename(folder)
    for name, entry in manifest.items():
        print(f"{folder.relative_to(ROOT)}/{name} {entry['version']} ({entry['license']})")


def main() -> None:
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("make vendor needs npm, which comes with Node.js")
    for folder, libraries in LIBRARIES.items():
        try:
            refresh(npm, folder, libraries)
        except subprocess.CalledProcessError:  # npm has said why
            sys.exit(f"{folder.relative_to(ROOT)} stays as it was")


if __name__ == "__main__":
    main()
