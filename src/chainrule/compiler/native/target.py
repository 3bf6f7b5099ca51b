"""What a program is compiled for: the processor, its features, and how wide its vectors are.

``host()`` asks LLVM about this machine.  ``restricted(bits)`` gives the same machine with less: tests compile for the plain
baseline, for AVX2 and for AVX-512 on whatever they run on, as far as it has them.
"""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple

from . import cache as _cache

SIZES = {"i1": 1, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "ptr": 8, "half": 2, "float": 4, "double": 8}

_WIDE_X86 = ("avx512", "evex512", "avx10", "vaes", "vpclmulqdq", "amx")  # names (or their beginnings) that need more than 256 bits
_AVX_X86 = ("avx", "f16c", "fma", "fma4", "xop", "vaes", "vpclmulqdq", "gfni", "sha512", "sm3", "sm4", "amx")


class Target(NamedTuple):
    """A processor as LLVM names it.

    ``features`` is LLVM's list, ``+name`` and ``-name``, sorted; ``bits`` the width of the vectors that code is written for.
    """

    triple: str
    cpu: str
    features: tuple[str, ...]
    bits: int

    def has(self, feature: str) -> bool:
        """Whether the processor has the feature that LLVM calls ``feature``."""
        return "+" + feature in self.features

    @property
    def x86(self) -> bool:
        return self.triple.startswith(("x86_64", "i686", "amd64"))

    @property
    def fma(self) -> bool:
        """Whether ``llvm.fma`` is one instruction; where it is not it is a library call, 200 times slower."""
        return not self.x86 or self.has("fma")

    @property
    def avx512(self) -> bool:
        return self.bits == 512 and self.has("avx512f")

    def lanes(self, element: str) -> int:
        """Elements of type ``element`` in one vector register."""
        return max(1, self.bits // (8 * SIZES[element]))

    @property
    def key(self) -> str:
        """What tells one target's code from another's, for caches."""
        return f"{self.triple} {self.cpu} {self.bits} {','.join(self.features)}"


def vector_bits(x86: bool, features: frozenset[str]) -> int:
    """512, 256 or 128."""
    if not x86:
        return 128
    return 512 if {"avx512f", "avx512dq", "avx512vl", "avx512bw"} <= features else 256 if "avx2" in features else 128


@cache
def host() -> Target:
    """This machine; ImportError without llvmlite, which is asked once and whose answer is kept on disk."""
    about = _identity()
    store = _cache.default() if about else None
    key = _cache.key("host", about) if about else ""
    found = store.get(key) if store is not None else None
    if found is not None:
        return Target(*found[1])
    asked = _asked()
    if store is not None:
        store.put(key, b"", tuple(asked))
    return asked


def _asked() -> Target:
    import llvmlite.binding as llvm

    has: dict[str, bool] = dict(llvm.get_host_cpu_features())
    triple = str(llvm.get_process_triple())
    features = tuple(sorted(("+" if on else "-") + name for name, on in has.items()))
    x86 = triple.startswith(("x86_64", "i686", "amd64"))
    return Target(triple, str(llvm.get_host_cpu_name()), features, vector_bits(x86, frozenset(n for n, on in has.items() if on)))


_TELLING = (b"vendor_id", b"cpu family", b"model", b"stepping", b"flags", b"features", b"cpu implementer", b"cpu architecture",
            b"cpu variant", b"cpu part", b"isa", b"uarch", b"mvendorid", b"marchid", b"mimpid")  # fmt: skip


def _identity() -> bytes:
    """What Linux tells of the first processor that no two kinds have in common; empty elsewhere."""
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            first = file.read(8192).partition(b"\n\n")[0]
    except OSError:
        return b""
    lines = [line for line in first.splitlines() if line.lower().startswith(_TELLING)]
    flags = any(line.lower().startswith((b"flags", b"features", b"isa")) for line in lines)
    return b"\n".join([os.uname().machine.encode(), *lines]) if flags else b""


def restricted(bits: int) -> Target:
    """This machine as if its vectors had ``bits`` bits (512, 256 or 128) at most: the features beyond are switched off.

    ValueError where the machine itself has less.
    """
    here = host()
    if bits > here.bits:
        raise ValueError(f"this processor ({here.cpu}) has vectors of {here.bits} bits, not {bits}")
    if bits == here.bits or not here.x86:
        return here
    gone = _WIDE_X86 if bits == 256 else (*_WIDE_X86, *_AVX_X86)
    features = tuple("-" + f[1:] if f[1:].startswith(gone) else f for f in here.features)
    return here._replace(cpu="x86-64-v3" if bits == 256 else "x86-64", features=features, bits=bits)
