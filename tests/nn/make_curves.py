"""Writes ``curves.json``, PyTorch's loss curves of ``curves.py``: ``python -m tests.nn.make_curves`` where torch is installed."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from . import curves


def main() -> None:
    """Run every program with PyTorch."""
    torch.set_num_threads(1)
    found = {program.__name__: program(torch) for program in curves.PROGRAMS}
    Path(__file__).with_name("curves.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
