"""Hook of the documentation's build: runs every Python block of a page and puts what it gives below it.

A block's printed text, and the value of a last line that is an expression, become the block's output: pictures (``_repr_svg_``) as
they are, pages that the explorer wrote in a frame, everything else as text.  A block that raises fails the build.
"""

from __future__ import annotations

import ast
import contextlib
import html
import io
import linecache
import os
import re
import shutil
import tempfile
import textwrap
from pathlib import Path
from typing import Any

_FENCE = re.compile(r"^(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_made: dict[str, Path] = {}  # pages for frames, by their place in the site
_rooms: list[tempfile.TemporaryDirectory[str]] = []


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """The page with the outputs of its code."""
    room = tempfile.TemporaryDirectory(prefix="documents-")
    _rooms.append(room)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    before = Path.cwd()
    os.chdir(room.name)
    try:
        return _FENCE.sub(lambda found: found[0] + _output(found, namespace, page.file.src_uri), markdown)
    finally:
        os.chdir(before)


def on_post_build(*, config: Any) -> None:
    """Put the explorer's pages beside the pages that show them."""
    for place, source in _made.items():
        target = Path(config["site_dir"]) / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for room in _rooms:
        room.cleanup()
    _made.clear()
    _rooms.clear()


def _output(found: re.Match[str], namespace: dict[str, Any], page: str) -> str:
    code = textwrap.dedent(found["code"])
    if code.lstrip().startswith(">>>"):
        return ""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        value = _run(code, namespace, page)
    shown = _shown(value, page)
    text = printed.getvalue() + (shown if shown and not shown.startswith("<") else "")
    parts = []
    if text.strip():
        parts.append(f'\n\n<pre class="output"><code>{html.escape(text.rstrip())}</code></pre>\n')
    if shown.startswith("<"):
        parts.append(f"\n\n{shown}\n")
    return "".join(parts)


def _run(code: str, namespace: dict[str, Any], page: str) -> Any:
    """Run a block; the value of its last line if that is an expression."""
    linecache.cache[page] = (len(code), None, code.splitlines(keepends=True), page)  # for what shows lines of the source
    tree = ast.parse(code, page)
    last = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    if last is not None:
        tree.body.pop()
    exec(compile(tree, page, "exec"), namespace)
    return None if last is None else eval(compile(ast.Expression(last.value), page, "eval"), namespace)


def _shown(value: Any, page: str) -> str:
    """A value as HTML (which begins with ``<``) or text."""
    if value is None:
        return ""
    if isinstance(value, Path) and value.suffix == ".html":
        place = str(Path(page).with_suffix("")) + "-" + value.name
        _made[place] = value.resolve()
        return (
            f'<iframe src="{Path(place).name}" title="The graph, step by step" loading="lazy"'
            ' style="width:100%;height:32rem;border:1px solid var(--md-default-fg-color--lightest)"></iframe>'
        )
    svg = getattr(value, "_repr_svg_", None)
    if svg is not None:
        return f'<div class="picture">{re.sub(chr(10) + "+", " ", svg().partition("?>")[2] or svg())}</div>'
    return str(value)
