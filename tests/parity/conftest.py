"""The parity tests compare with PyTorch itself; without it there is nothing to collect here."""

import importlib.util

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["*.py"]
