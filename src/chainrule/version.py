"""Which chainrule this is, and whose names it answers to (``torch.version``)."""

from __future__ import annotations

chainrule = "0.1.0"

# Programs compare `torch.__version__` to know what they may call, so it leads with the release whose API this is.
pytorch = "2.13.0"
__version__ = f"{pytorch}+chainrule.{chainrule}"

debug = False
git_version = f"chainrule-{chainrule}"
cuda: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
