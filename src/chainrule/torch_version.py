"""A version string that compares as a version (``torch.torch_version``)."""

from __future__ import annotations

import re
from typing import Any

from chainrule.version import __version__ as _version

__all__ = ["TorchVersion"]

_PEP440 = re.compile(
    r"""\s*v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)
    (?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_n>\d*))?
    (?:-(?P<post_dash>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_n>\d*))?
    (?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_n>\d*))?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_FIRST: tuple[int, str, int] = (-1, "", 0)
_LAST: tuple[int, str, int] = (1, "", 0)


def _key(version: str) -> tuple[Any, ...] | None:
    """A key that sorts as PEP 440 says; None where `version` is no version."""
    m = _PEP440.fullmatch(version)
    if m is None:
        return None
    release = [int(p) for p in m["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    pre, post, dev = m["pre"], m["post"] or m["post_dash"], m["dev"]
    if pre:
        pre_key = (0, _PRE.get(pre.lower(), pre.lower()), int(m["pre_n"] or 0))
    else:
        # 1.0.dev1 comes before 1.0a1, and 1.0 after every 1.0 pre-release.
        pre_key = _FIRST if dev and not post else _LAST
    post_key = int(m["post_dash"] or m["post_n"] or 0) if post else -1
    dev_key = (0, int(m["dev_n"] or 0)) if dev else (1, 0)
    local = re.split(r"[-_.]", m["local"].lower()) if m["local"] else []
    local_key = tuple([(1, int(p), "") if p.isdigit() else (0, 0, p) for p in local])
    return int(m["epoch"] or 0), tuple(release), pre_key, post_key, dev_key, bool(local), local_key


def _text(other: Any) -> str:
    if isinstance(other, str):
        return other
    if isinstance(other, (tuple, list)):
        return ".".join([str(p) for p in other])
    raise TypeError


class TorchVersion(str):
    """A string whose comparisons are those of versions: with strings, and with tuples of numbers.

    >>> TorchVersion("2.13.0") >= (2, 4), TorchVersion("2.13.0") < "2.4"
    (True, False)
    """

    __slots__ = ()

    def _compare(self, other: Any, name: str) -> Any:
        try:
            text = _text(other)
        except TypeError:
            return NotImplemented
        mine, theirs = _key(self), _key(text)
        if mine is None or theirs is None:
            return getattr(str, name)(self, text)
        return getattr(mine, name)(theirs)

    def __lt__(self, other: Any) -> Any:
        return self._compare(other, "__lt__")

    def __le__(self, other: Any) -> Any:
        return self._compare(other, "__le__")

    def __gt__(self, other: Any) -> Any:
        return self._compare(other, "__gt__")

    def __ge__(self, other: Any) -> Any:
        return self._compare(other, "__ge__")

    def __eq__(self, other: object) -> Any:
        return self._compare(other, "__eq__")

    def __ne__(self, other: object) -> Any:
        return self._compare(other, "__ne__")

    def __hash__(self) -> int:
        return str.__hash__(self)


__version__ = TorchVersion(_version)
