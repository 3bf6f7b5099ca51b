"""What the compiler's run time costs: a call from Python, and a region of the pool."""

from __future__ import annotations

import numpy as np
from timing import alternate, arguments, report

from chainrule.compiler.native import call, jit, pool
from chainrule.compiler.native.emitter import Module
from chainrule.compiler.native.kernel import open_kernel
from chainrule.compiler.native.target import host


def _entries(arrays: int, **options: bool) -> call.Entry:
    module = Module(host())
    module.function("program", "ptr %block", linkage="").ret()
    taken = [call.Argument((4,), np.dtype(np.float64))] * arrays
    return call.Entry(jit.compile_text(module.text(), host()), "program", taken, **options)


def _region(chunks: int) -> tuple[jit.Library, object]:
    module = Module(host())
    open_kernel(module, "nothing", 0)[0].ret()
    f = module.function("go", "", linkage="")
    f.loop(0, 1000, 1, lambda i, _: pool.run_chunks(f, "nothing", "null", chunks) and None)
    f.ret()
    library = jit.compile_text(module.text(), host())
    return library, library.function("go")


def main() -> None:
    options = arguments(__doc__)
    rows = []
    for n in (1, 5):
        x = tuple(np.zeros(4) for _ in range(n))
        held, released, asked = _entries(n), _entries(n, release=True), _entries(n, objects=False)
        runs = {
            "objects": lambda x=x, f=held.enter: f(*x),
            "objects, lock released": lambda x=x, f=released.enter: f(*x),
            "addresses asked": lambda x=x, f=asked.enter: f(*x),
        }
        rows.append(alternate(f"call with {n} arrays", runs, seconds=options.seconds))
    report("A call from Python into an empty program", rows, options)
    kept = {f"{c} chunks": _region(c) for c in (1, 2, 8)}
    report("1000 regions of empty chunks", [alternate("regions", {k: f for k, (_, f) in kept.items()}, seconds=options.seconds)], options)


if __name__ == "__main__":
    main()
