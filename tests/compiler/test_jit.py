"""What holds of compiled code wherever the process has room for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("llvmlite")

# A process whose address space has holes of one page high up, and room for more only gigabytes below.
CROWDED = """
import ctypes, mmap
from chainrule.compiler.native import jit
from chainrule.compiler.native.target import host

jit.compile_text("define void @nothing() { ret void }", host(), cache=False)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

def reserve(size):
    return libc.mmap(None, size, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, -1, 0)  # MAP_NORESERVE

large = [reserve(1 << 32) for _ in range(2)]
size = 1 << 30
while size >= 2 * mmap.PAGESIZE:
    got = reserve(size)
    while got > min(large):
        got = reserve(size)
    libc.munmap(got, size)
    size //= 2
libc.munmap(max(large) + (1 << 32) - 8 * mmap.PAGESIZE, mmap.PAGESIZE)
stores = "".join(f"  %q{k} = getelementptr i64, ptr %p, i64 {k}\\n  store volatile i64 {k}, ptr %q{k}\\n" for k in range(4000))
text = f'''
@table = internal constant [4 x double] [double 1.0, double 2.0, double 3.0, double 4.0]
define double @pick(i64 %k) {{
  %p = getelementptr double, ptr @table, i64 %k
  %v = load double, ptr %p
  ret double %v
}}
define void @long(ptr %p) {{
{stores}  ret void
}}
'''
library = jit.compile_text(text, host(), cache=False)
print(library.function("pick", ctypes.c_int64, restype=ctypes.c_double)(2))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reserves address space as Linux does")
def test_code_and_its_constants_lie_together() -> None:
    """They have to be within two gigabytes; LLVM ends the process where they are not."""
    done = subprocess.run([sys.executable, "-c", CROWDED], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout == "3.0\n", done.stderr
