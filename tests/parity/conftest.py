"""The parity tests compare with PyTorch itself; without it there is nothing to collect here.

The two largest files have many thousand cases each.  A run takes one share of them, the same share every time unless
CHAINRULE_PARITY chooses another (a number) or all of them (`all`).
"""

import importlib.util
import os
import zlib

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["*.py"]

SHARES = {"test_ops_parity.py": 12, "test_opinfo_parity.py": 4}


def pytest_collection_modifyitems(config, items):
    chosen = os.environ.get("CHAINRULE_PARITY", "0")
    if chosen == "all":
        return
    kept, left_out = [], []
    for item in items:
        shares = SHARES.get(item.path.name, 1)
        (kept if zlib.crc32(item.nodeid.encode()) % shares == int(chosen) % shares else left_out).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)
