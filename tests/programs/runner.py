"""Short programs and their recorded answers.

A file of programs is no module: lines `# %%` part them, and each says `import torch` or uses the name `torch`.  A program's
answer is what it prints, its warnings, and the type and first line of its error.
"""

import contextlib
import io
import pathlib
import re
import warnings

HERE = pathlib.Path(__file__).parent
NOISE = ("jit.script", "get_attr Node")  # what PyTorch says of its own workings
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")


def programs(path):
    return [p.strip("\n") for p in re.split(r"^# %%.*\n", path.read_text(), flags=re.M) if p.strip()]


def files():
    return sorted(HERE.glob("*_programs.txt"))


def run(source, torch, package):
    """The answer of one program on `torch`, the module that is importable as `package`."""
    source = re.sub(r"^(\s*)import torch\.(\S+) as", rf"\1import {package}.\2 as", source, flags=re.M)
    source = re.sub(r"^(\s*)from torch\b", rf"\1from {package}", source, flags=re.M)
    torch.manual_seed(0)
    out, error = io.StringIO(), None
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(out):
        warnings.simplefilter("always")
        try:
            exec(compile(source, "<program>", "exec"), {"torch": torch, "__name__": "program"})
        except Exception as e:
            error = f"{type(e).__name__}: {(str(e).splitlines() or [''])[0]}"
    text = re.sub(r"0x[0-9a-f]+", "0x", out.getvalue())
    told = [str(w.message).split(". ")[0] for w in caught if not any(t in str(w.message) for t in NOISE)]
    return {"out": text, "warnings": told, "error": error}


def same(got, want):
    """Equal texts; numbers within the last printed digit."""
    if (got["error"], got["warnings"]) != (want["error"], want["warnings"]):
        return False
    if NUMBER.sub("#", got["out"]) != NUMBER.sub("#", want["out"]):
        return False
    pairs = zip(NUMBER.findall(got["out"]), NUMBER.findall(want["out"]))
    return all(abs(float(a) - float(b)) <= 2e-6 * max(1, abs(float(b))) + (1.01e-4 if a != b and len(b) <= 8 else 0) for a, b in pairs)
