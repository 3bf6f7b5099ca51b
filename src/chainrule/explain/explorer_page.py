"""The explorer's page: one HTML file with its styles, its programs and the graph in it.

The graph travels as compressed JSON in base64, an alphabet without markup; the page builds everything that it shows from
text nodes.  Its content security policy lets it load nothing.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
from importlib import resources
from typing import Any

# In the order in which they run.
SCRIPTS = (
    "model.js", "folding.js", "layers.js", "nested.js", "arrange.js", "colours.js", "pens.js", "scene.js", "timeline.js",
    "view.js", "gestures.js", "details.js", "outline.js", "export.js", "main.js",
)  # fmt: skip


def read(name: str) -> str:
    """A file of the folder ``page``."""
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")


def pack(data: dict[str, Any]) -> str:
    """The data as the page unpacks it."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode("ascii")


def unpack(page: str) -> dict[str, Any]:
    """The data in a page."""
    start = page.index('id="graph-data">') + len('id="graph-data">')
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(page[start : page.index("</script>", start)])))
    return found


def page_of(data: dict[str, Any]) -> str:
    """The whole HTML file."""
    scripts = "\n".join(f"// {name}\n{read(name)}" for name in SCRIPTS)
    parts = {
        "title": html.escape(data["title"]),
        "style": read("explorer.css"),
        "dagre": read("dagre.min.js").replace("</script", "<\\/script"),
        "licence": html.escape(read("dagre.LICENSE.txt"), quote=False).replace("--", "- -"),
        "scripts": scripts,
        "data": pack(data),
    }
    page = read("explorer.html")
    for key, text in parts.items():
        before, found, after = page.partition(f"@{key}@")
        assert found, key
        page = before + text + after
    return page
