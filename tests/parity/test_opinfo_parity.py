"""PyTorch's own samples for every operation that chainrule has, run on both.

``torch.testing._internal`` holds, for each operation, sample arguments in every dtype, arguments that must raise, and its
aliases.  Values, dtypes, shapes, ``requires_grad`` and gradients have to agree; errors in type and words.
"""

from __future__ import annotations

import re
import types
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402
from torch.testing._internal.opinfo.core import gradcheck_wrapper_hermitian_input  # noqa: E402

import chainrule  # noqa: E402

from .bridge import compare, compare_gradients, ours, outcome, rebound, tensors_in  # noqa: E402

DTYPES = (torch.float32, torch.float64, torch.int64, torch.bool, torch.complex64)
SAMPLES = 40  # of each operation and dtype, spread over all that PyTorch has

# name (or "name.variant"): why it is not compared.
SKIP: dict[str, str] = {
    "chalf": "NumPy has no complex number of two halves",
    "to_sparse": "sparse layouts",
}

# Operations whose derivatives are not compared, and why.
VALUES_ONLY = {
    "as_strided_scatter": "PyTorch's passes a gradient to what was overwritten",
    "ctc_loss": "PyTorch's is so only behind log_softmax, where the spec rows compare them",
    "renorm": "PyTorch's is NaN for complex numbers",
    "normal": "a sample has no history here; PyTorch's gives zeros",
    "bernoulli": "a sample has no history here; PyTorch's gives zeros",
    "quantile": "chainrule differentiates in q too",
    "nanquantile": "chainrule differentiates in q too",
}

# Kernels for integers that nobody asks for, and whose rounding is C++'s.
FLOATING_ONLY = frozenset({"avg_pool1d", "avg_pool2d", "avg_pool3d"})

# Where values tie, PyTorch's order of the indices is nobody's: integers and truth values tie.
TIES = frozenset({"sort", "argsort", "msort", "topk", "kthvalue", "mode", "median", "nanmedian"})

# Vectors that are determined up to a phase alone: their shapes are compared here, the numbers by spec rows.
PHASES = frozenset({"svd", "linalg.svd", "linalg.eigh", "linalg.eig"})

# How much larger than usual a difference may be: where float32 cancels, or PyTorch's own constants are float32.
LOOSE = {"logcumsumexp": 30.0, "cov": 10.0, "nn.functional.hardsigmoid": 100.0}

# Memory that is not initialised has a shape and a dtype, but no values.
NO_VALUES = frozenset({"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided", "resize_", "resize_as_"})


def seeded(op: Any, *args: Any, **kwargs: Any) -> Any:
    """What PyTorch's samples call random operations by: with the same seed each time."""
    state = chainrule.get_rng_state()
    chainrule.manual_seed(42)
    try:
        return op(*args, **kwargs)
    finally:
        chainrule.set_rng_state(state)


def counterpart(info: Any) -> Any:
    """chainrule's function for an OpInfo; None when it has none of that name."""
    found: Any = chainrule
    for part in info.name.split("."):
        found = getattr(found, part, None)
        if found is None:
            break
    method = getattr(chainrule.Tensor, info.name, None)
    function = info.op
    if isinstance(function, types.FunctionType) and function.__module__.startswith("torch.testing"):
        return rebound(function, wrapper_set_seed=seeded) if found is not None or method is not None else None
    return found if callable(found) else method


def title(info: Any) -> str:
    return info.name + ("." + info.variant_test_name if info.variant_test_name else "")


INFOS = [i for i in op_db if title(i) not in SKIP and i.name not in SKIP and counterpart(i) is not None]


def chosen(items: list[Any], most: int = SAMPLES) -> list[Any]:
    """At most ``most`` of them, evenly spread."""
    return items if len(items) <= most else [items[int(k)] for k in np.linspace(0, len(items) - 1, most)]


def samples_of(info: Any, dtype: Any) -> list[Any]:
    grad = dtype.is_floating_point or dtype.is_complex
    torch.manual_seed(0)
    samples = chosen(list(info.sample_inputs("cpu", dtype, requires_grad=grad and info.supports_autograd)))
    if info.gradcheck_wrapper is gradcheck_wrapper_hermitian_input:  # of others PyTorch's gradients are those of no function
        for sample in samples:
            sample.input = (sample.input + sample.input.mH).detach().requires_grad_(sample.input.requires_grad)
    return samples


def portable(arguments: Any) -> bool:
    """Dense tensors on the CPU, of no more dimensions than NumPy has, and modules that chainrule has too."""
    found = tensors_in(arguments, torch.Tensor)
    if any(isinstance(m, torch.nn.Module) and not hasattr(chainrule.nn, type(m).__name__) for m in arguments[1].values()):
        return False
    return all(t.layout == torch.strided and t.device.type == "cpu" and t.ndim <= 64 for t in found)


def run_sample(info: Any, function: Any, sample: Any, k: int) -> None:
    """One sample on both sides."""
    mine = ours(((sample.input, *sample.args), sample.kwargs))
    torch.manual_seed(k)
    want, error = outcome(info.op, sample.input, *sample.args, **sample.kwargs)
    if error is not None:
        return  # PyTorch itself refuses this sample here; the samples that must raise have a test of their own
    chainrule.manual_seed(k)
    got = function(*mine[0], **mine[1])
    numbers = info.name not in NO_VALUES | PHASES
    smooth = info.name.rpartition(".")[2] not in VALUES_ONLY
    loose = LOOSE.get(info.name, 1.0)
    if info.name in TIES and not (sample.input.is_floating_point() or sample.input.is_complex()):
        compare(got, want, f"sample {k}", numbers=False)
        if info.name != "argsort":
            compare(tensors_in(got, chainrule.Tensor)[0], tensors_in(want, torch.Tensor)[0], f"sample {k}")
        return
    compare(got, want, f"sample {k}", numbers=numbers, loose=loose, flags=smooth)
    if numbers and smooth:
        process = sample.output_process_fn_grad
        if isinstance(process, types.FunctionType):
            want, got = process(want), rebound(process)(got)
        compare_gradients(got, want, mine, ((sample.input, *sample.args), sample.kwargs), seed=k, loose=loose)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d)[6:])
@pytest.mark.parametrize("info", INFOS, ids=title)
def test_samples(info, dtype):
    if dtype not in info.dtypes:
        pytest.skip("PyTorch has no such operation in this dtype")
    if info.name.rpartition(".")[2] in FLOATING_ONLY and not dtype.is_floating_point:
        pytest.skip("for floating values")
    function = counterpart(info)
    for k, sample in enumerate(samples_of(info, dtype)):
        if not portable(((sample.input, *sample.args), sample.kwargs)):
            continue
        try:
            run_sample(info, function, sample, k)
        except Exception as error:
            raise AssertionError(f"sample {k}: {sample.summary()}") from error


def variant(info: Any, name: str) -> Any:
    """(PyTorch's, chainrule's) method variant 'method_variant' or 'inplace_variant', or None."""
    theirs = getattr(info, name)
    label = getattr(theirs, "__name__", "<lambda>")
    if theirs is None or label == "<lambda>" or not hasattr(torch.Tensor, label):
        return None
    return theirs, label


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["method_variant", "inplace_variant"])
@pytest.mark.parametrize("info", [i for i in INFOS if variant(i, "method_variant") or variant(i, "inplace_variant")], ids=title)
def test_methods(info, kind):
    """The method and the in-place method exist and agree with PyTorch's."""
    found = variant(info, kind)
    if found is None:
        pytest.skip("PyTorch has none")
    theirs, label = found
    assert hasattr(chainrule.Tensor, label), f"Tensor.{label} is missing"
    for k, sample in enumerate(chosen(samples_of(info, torch.float32 if torch.float32 in info.dtypes else torch.int64), 8)):
        if not isinstance(sample.input, torch.Tensor) or not portable(((sample.input, *sample.args), sample.kwargs)):
            continue
        args = ((sample.input.detach(), *sample.args), sample.kwargs)
        mine = ours(args)
        torch.manual_seed(k)
        want, error = outcome(theirs, *args[0], **args[1])
        if error is None:
            chainrule.manual_seed(k)
            got = getattr(mine[0][0], label)(*mine[0][1:], **mine[1])
            compare(got, want, f"{label}, sample {k}", numbers=info.name not in NO_VALUES, flags=info.name not in VALUES_ONLY)
            if kind == "inplace_variant":
                assert got is mine[0][0], f"{label} returns its own tensor"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("info", [i for i in INFOS if i.aliases], ids=title)
def test_aliases(info):
    for alias in info.aliases:
        place: Any = chainrule
        for part in alias.name.split("."):
            place = getattr(place, part, None)
        assert place is not None or hasattr(chainrule.Tensor, alias.name.rpartition(".")[2]), f"{alias.name} is missing"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("info", [i for i in INFOS if i.error_inputs_func is not None], ids=title)
def test_errors(info):
    """Arguments that must raise, with the type and the words that PyTorch's own tests ask for."""
    function = counterpart(info)
    for sample in chosen(list(info.error_inputs("cpu")), SAMPLES):
        arguments = ((sample.sample_input.input, *sample.sample_input.args), sample.sample_input.kwargs)
        _, theirs = outcome(info.op, *arguments[0], **arguments[1])
        if theirs is None or not portable(arguments) or "memory location" in str(theirs):
            continue  # arguments that overlap each other do not come over either
        if isinstance(theirs, TypeError) and NUMBER.search(str(theirs)):
            continue  # chainrule takes numbers wherever a tensor is taken
        if "static_cast" in str(theirs):
            continue  # an assertion inside PyTorch
        mine = ours(arguments)
        with pytest.raises(type(theirs)) as caught:
            function(*mine[0], **mine[1])
        if "invalid combination of arguments" not in str(theirs):  # the overloads of a C++ function
            assert words(caught.value) == words(theirs)


NUMBER = re.compile(r"must be Tensor, not (int|float|complex|bool)|invalid combination.* got \((int|float|complex|bool), |^descriptor ")


def words(error: Exception) -> str:
    """The first line of the message."""
    return str(error).strip().splitlines()[0]
