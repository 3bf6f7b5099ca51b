"""What ``why`` and ``lint`` give: findings, each with the user's line and a remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..core.source import text_of


@dataclass(frozen=True)
class Finding:
    """One cause or mistake: what it is (``text``), the user's ``line`` (``file:line`` or empty), and the ``remedy``."""

    kind: str
    text: str
    remedy: str = ""
    line: str = ""

    def __str__(self) -> str:
        rows = [self.text]
        if self.line:
            source = text_of(self.line)
            rows.append(f"  {self.line}" + (f": {source}" if source else ""))
        if self.remedy:
            rows.append(f"  Remedy: {self.remedy}.")
        return "\n".join(rows)


class Findings(list[Finding]):
    """A list of findings that prints as text; false when there is none.

    >>> from chainrule.explain.why_report import Finding, Findings
    >>> print(Findings("w.grad is None.", [Finding("unused", "The loss does not use w.", "use it")]))
    w.grad is None.
    - The loss does not use w.
      Remedy: use it.
    """

    def __init__(self, title: str, found: Iterable[Finding] = ()) -> None:
        super().__init__(found)
        self.title = title

    @property
    def kinds(self) -> list[str]:
        """The kinds of the findings, in order."""
        return [f.kind for f in self]

    def __str__(self) -> str:
        rows = [self.title]
        for finding in self:
            first, *rest = str(finding).splitlines()
            rows += [f"- {first}", *rest]
        return "\n".join(rows)

    __repr__ = __str__

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text(str(self))  # type: ignore[attr-defined]
