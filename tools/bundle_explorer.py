"""Fetch the layout library that the explorer's page carries, and put it with its licence beside the page.

    python tools/bundle_explorer.py            fetch the version below with npm, write both files
    python tools/bundle_explorer.py --check    say whether the files are those of this version; nothing is fetched

The files are checked in, so neither building nor testing needs npm.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE, VERSION = "@dagrejs/dagre", "3.1.3"
SHA256 = "2a3aee60b1ee1f12f51354acfb9e6a94e5ec350eabba57e9c4427dab5a10386c"
PAGE = Path(__file__).parents[1] / "src" / "chainrule" / "explain" / "page"


def licence(modules: Path) -> str:
    """The library's licence and that of what is built into it."""
    parts = [f"{PACKAGE} {VERSION} (https://github.com/dagrejs/dagre), MIT licence, with @dagrejs/graphlib built in."]
    texts = [(modules / "@dagrejs" / name / "LICENSE").read_text(encoding="utf-8").strip() for name in ("dagre", "graphlib")]
    return "\n\n".join([*parts, *dict.fromkeys(texts)]) + "\n"


def bundle() -> None:
    """Write the library, without the reference to a map that is not there, and the licence."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "install", "--silent", "--no-save", "--ignore-scripts", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True)
        modules = Path(folder) / "node_modules"
        text = (modules / PACKAGE / "dist" / "dagre.min.js").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line and not line.startswith(("//# sourceMappingURL", "/*! For license"))]
        (PAGE / "dagre.min.js").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (PAGE / "dagre.LICENSE.txt").write_text(licence(modules), encoding="utf-8")
    print(f"{digest()}  dagre.min.js")


def digest() -> str:
    """The hash of the library as it is checked in."""
    return hashlib.sha256((PAGE / "dagre.min.js").read_bytes()).hexdigest()


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if digest() == SHA256 else f"dagre.min.js is not that of {PACKAGE} {VERSION}: {digest()}")
    bundle()
