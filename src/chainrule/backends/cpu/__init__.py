"""``torch.backends.cpu``."""


def get_cpu_capability() -> str:
    """The widest vectors that NumPy's kernels use on this processor: ``DEFAULT``, ``AVX2`` or ``AVX512``."""
    import numpy

    simd = (numpy.show_config(mode="dicts") or {}).get("SIMD Extensions", {})
    used = {*simd.get("baseline", ()), *simd.get("found", ())}
    if "X86_V4" in used or any(name.startswith("AVX512") for name in used):
        return "AVX512"
    return "AVX2" if used & {"X86_V3", "AVX2"} else "DEFAULT"
