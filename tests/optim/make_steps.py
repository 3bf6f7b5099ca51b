"""Writes ``steps.json``, what PyTorch's optimizers and schedules do: ``python -m tests.optim.make_steps`` where torch is installed."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from . import programs


def main() -> None:
    """Run every program with PyTorch."""
    torch.set_num_threads(1)
    found = {
        "steps": {key: programs.steps(torch, *case) for key, case in programs.OPTIMIZERS.items()},
        "rates": {key: programs.rates(torch, make) for key, make in programs.SCHEDULES.items()},
    }
    Path(__file__).with_name("steps.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
