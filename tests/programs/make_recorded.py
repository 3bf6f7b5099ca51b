"""Record PyTorch's answers: `python -m tests.programs.make_recorded` with the real torch installed."""

import json

import torch

from .runner import files, programs, run

for path in files():
    answers = [run(p, torch, "torch") for p in programs(path)]
    path.with_suffix(".json").write_text(json.dumps(answers, indent=1) + "\n")
    print(path.name, len(answers))
