"""Where llvmlite is missing, programs run on NumPy and everything else is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

STEP = """
import sys
sys.modules["llvmlite"] = None
import numpy as np
import chainrule as torch

assert torch.compile(lambda x: x).engine.__name__ == "prepare"
torch.manual_seed(0)
first = torch.nn.Linear(4, 8, bias=False)  # batch norm takes a bias away: its gradient is rounding, which AdamW makes steps of
model = torch.nn.Sequential(first, torch.nn.BatchNorm1d(8), torch.nn.GELU(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)

def step(x, y):
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss

run = torch.compile(step) if WRAPPED else step
for _ in range(20):
    loss = run(torch.randn(16, 4), torch.randint(3, (16,)))
big = torch.randn(300, 400).exp().softmax(-1).sum()  # of a size at which eager operations have kernels
print(f"{loss.item():.5f} {sum(p.sum().item() for p in model.parameters()):.4f} {big.item():.3f}")
assert not any(name.startswith("llvmlite.") for name in sys.modules)
"""


def run(code: str) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_a_training_step() -> None:
    assert run("WRAPPED = True\n" + STEP) == run("WRAPPED = False\n" + STEP)


def test_the_tests_of_capture() -> None:
    names = ["test_capture.py", "test_effects.py", "test_windows.py", "test_report.py"]
    paths = [str(Path(__file__).with_name(n)) for n in names]
    found = run(
        "import sys; sys.modules['llvmlite'] = None; import pytest; "
        f"raise SystemExit(pytest.main(['-q', '-p', 'no:xdist', '-p', 'no:cacheprovider', *{paths!r}]))"
    )
    assert "passed" in found
