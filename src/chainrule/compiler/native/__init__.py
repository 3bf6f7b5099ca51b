"""Machine code: LLVM's text written by hand, compiled in the process, cached on disk, run on a pool of threads.

llvmlite is imported at first use only; without it the programs of ``compiler.program`` run on NumPy.
"""
