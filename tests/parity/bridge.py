"""From PyTorch's objects to chainrule's and back, and comparing what the two compute.

Only parity tests import this module: it needs torch.
"""

from __future__ import annotations

import re
import types
import warnings
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import torch

import chainrule

torch.set_num_threads(1)

BIT_COPIES = {torch.bfloat16: (torch.int16, ml_dtypes.bfloat16)}

# (rtol, atol); atol is scaled by the largest expected magnitude.
TOLERANCE = {
    "float16": (4e-3, 4e-3),
    "bfloat16": (3e-2, 3e-2),
    "float32": (4e-5, 4e-6),
    "float64": (1e-9, 1e-10),
    "complex64": (4e-5, 4e-6),
    "complex128": (1e-9, 1e-10),
}


def memory_of(t: torch.Tensor) -> np.ndarray:
    """A copy of all the memory that the tensor is a part of."""
    flat = torch.empty(0, dtype=t.dtype).set_(t.untyped_storage())
    if t.dtype in BIT_COPIES:
        bits, kind = BIT_COPIES[t.dtype]
        return np.array(flat.view(bits).numpy()).view(kind)
    return np.array(flat.numpy())


def array_of(t: torch.Tensor) -> np.ndarray:
    """The tensor's values, as an array of their own."""
    t = t.detach().resolve_conj().resolve_neg()
    if t.dtype in BIT_COPIES:
        bits, kind = BIT_COPIES[t.dtype]
        return np.array(t.contiguous().view(bits).numpy()).view(kind)
    return np.array(t.numpy(force=True))  # also what PyTorch knows to be zero without memory


def tensor_of(t: torch.Tensor) -> Any:
    """A chainrule tensor with the same memory layout: strides, overlaps, what lies before and after."""
    t = t.detach().resolve_conj().resolve_neg()
    if t.numel() == 0 or (t.is_contiguous() and t.untyped_storage().nbytes() == t.nbytes):
        return chainrule.from_numpy(array_of(t))
    return chainrule.from_numpy(memory_of(t)).as_strided(tuple(t.shape), t.stride(), t.storage_offset())


def name_of(thing: Any) -> str:
    """'float32' of either module's dtype."""
    return str(thing).rpartition(".")[2]


def twin(module: torch.nn.Module) -> Any:
    """The same module here, with the same weights."""
    args: tuple[Any, ...] = ()
    if isinstance(module, torch.nn.TransformerEncoderLayer):
        attention, linear = module.self_attn, module.linear1
        args = (
            attention.embed_dim, attention.num_heads, linear.out_features, module.dropout.p, ours(module.activation), module.norm1.eps,
            attention.batch_first, module.norm_first, linear.bias is not None, None, ours(linear.weight.dtype),
        )  # fmt: skip
    made = getattr(chainrule.nn, type(module).__name__)(*args)
    made.load_state_dict(ours(dict(module.state_dict())))
    return made.train(module.training)


def ours(thing: Any) -> Any:
    """The chainrule counterpart of anything that can stand among arguments."""
    if isinstance(thing, torch.Tensor):
        out = tensor_of(thing)
        return out.requires_grad_() if thing.requires_grad else out
    if isinstance(thing, torch.dtype | torch.memory_format | torch.layout):
        return getattr(chainrule, name_of(thing))
    if isinstance(thing, torch.device):
        return chainrule.device(str(thing))
    if isinstance(thing, torch.Size):
        return chainrule.Size(thing)
    if isinstance(thing, slice):
        return slice(ours(thing.start), ours(thing.stop), ours(thing.step))
    if isinstance(thing, tuple | list):
        return type(thing)(ours(t) for t in thing) if not hasattr(thing, "_fields") else type(thing)(*map(ours, thing))
    if isinstance(thing, dict):
        return {k: ours(v) for k, v in thing.items()}
    if isinstance(thing, types.BuiltinFunctionType):
        return getattr(chainrule, thing.__name__, None) or getattr(chainrule.nn.functional, thing.__name__)
    if isinstance(thing, torch.nn.Module):
        return twin(thing)
    if isinstance(thing, types.FunctionType):
        known = getattr(chainrule.nn.functional, thing.__name__, None) if thing.__module__ == "torch.nn.functional" else None
        return known or rebound(thing)
    return thing


def rebound(function: types.FunctionType, **names: Any) -> types.FunctionType:
    """A Python function whose ``torch`` is chainrule."""
    scope = {**function.__globals__, "torch": chainrule, "F": chainrule.nn.functional, **names}
    made = types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def values(t: Any) -> np.ndarray:
    """A tensor of either module as an array that NumPy compares."""
    if isinstance(t, torch.Tensor):
        return array_of(t)
    t = t.detach().resolve_conj().resolve_neg()
    return np.array((t.float() if name_of(t.dtype) == "bfloat16" else t).numpy())


def compare(got: Any, want: Any, what: str = "output", *, numbers: bool = True, loose: float = 1.0, flags: bool = True) -> None:
    """Same structure, shapes, dtypes, requires_grad (unless ``flags`` is False) and values (unless ``numbers`` is False).

    Raises AssertionError otherwise.
    """
    if isinstance(want, torch.Tensor):
        assert isinstance(got, chainrule.Tensor), f"{what}: {type(got).__name__} instead of a tensor"
        assert tuple(got.shape) == tuple(want.shape), f"{what}: shape {tuple(got.shape)}, PyTorch's {tuple(want.shape)}"
        assert name_of(got.dtype) == name_of(want.dtype), f"{what}: dtype {got.dtype}, PyTorch's {want.dtype}"
        if flags:
            assert got.requires_grad == want.requires_grad, f"{what}: requires_grad {got.requires_grad}, PyTorch's {want.requires_grad}"
        if numbers:
            close(values(got), values(want), what, loose)
    elif isinstance(want, tuple | list):
        assert isinstance(got, tuple | list), f"{what}: {type(got).__name__}, PyTorch's {type(want).__name__}"
        assert len(got) == len(want), f"{what}: {len(got)} items, PyTorch's {len(want)}"
        for k, (g, w) in enumerate(zip(got, want)):
            compare(g, w, f"{what}[{k}]", numbers=numbers, loose=loose, flags=flags)
    elif isinstance(want, torch.dtype):
        assert name_of(got) == name_of(want), what
    elif isinstance(want, float | complex):
        close(np.array(got), np.array(want), what, loose)
    else:
        assert got == want, f"{what}: {got!r}, PyTorch's {want!r}"


def close(got: np.ndarray, want: np.ndarray, what: str, loose: float = 1.0) -> None:
    """Equal within the tolerance of the dtype; NaN equals NaN."""
    name = want.dtype.name
    if name not in TOLERANCE:
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    rtol, atol = TOLERANCE[name]
    wide = "c16" if want.dtype.kind == "c" else "f8"
    a, b = got.astype(wide), want.astype(wide)
    finite = np.abs(b[np.isfinite(b)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    np.testing.assert_allclose(a, b, rtol=rtol * loose, atol=atol * scale * loose, equal_nan=True, err_msg=what)


def outcome(run: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Exception | None]:
    """(result, None) or (None, the exception); warnings are left to other tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return run(*args, **kwargs), None
        except Exception as error:
            return None, error


def tensors_in(thing: Any, kind: type) -> list[Any]:
    """Every tensor inside nested containers, in order."""
    if isinstance(thing, kind):
        return [thing]
    if isinstance(thing, dict):
        return [t for v in thing.values() for t in tensors_in(v, kind)]
    if isinstance(thing, tuple | list):
        return [t for v in thing for t in tensors_in(v, kind)]
    return []


def compare_gradients(got: Any, want: Any, our_inputs: Any, their_inputs: Any, seed: int = 0, loose: float = 1.0) -> None:
    """The gradients of all leaves among the inputs, for the same cotangents of all outputs that have a history."""
    ys, zs = tensors_in(got, chainrule.Tensor), tensors_in(want, torch.Tensor)
    xs = [t for t in tensors_in(our_inputs, chainrule.Tensor) if t.requires_grad]
    ws = [t for t in tensors_in(their_inputs, torch.Tensor) if t.requires_grad]
    pairs = [(y, z) for y, z in zip(ys, zs, strict=True) if z.requires_grad and z.grad_fn is not None]
    if not pairs or not ws:
        return
    rng = np.random.default_rng(seed)
    cts = []
    for _, z in pairs:
        drawn = rng.uniform(0.2, 1.8, tuple(z.shape))
        if z.dtype.is_complex:
            drawn = drawn + 1j * rng.uniform(-1, 1, tuple(z.shape))
        cts.append(torch.from_numpy(np.asarray(drawn)).to(z.dtype))
    theirs, error = outcome(torch.autograd.grad, [z for _, z in pairs], ws, cts, allow_unused=True)
    if error is not None:
        assert re.search("not implemented|does not support automatic differentiation|must be contiguous", str(error)), repr(error)
        return
    mine = chainrule.autograd.grad([y for y, _ in pairs], xs, [ours(c) for c in cts], allow_unused=True)
    for k, (m, t) in enumerate(zip(mine, theirs, strict=True)):
        if t is None or m is None:
            assert (m is None or not values(m).any()) and (t is None or not values(t).any()), f"gradient {k}: {m} and PyTorch's {t}"
        else:
            compare(m, t.detach(), f"gradient {k}", loose=loose * 10)
