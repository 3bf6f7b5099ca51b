"""PyTorch's own module samples, run on both: same repr, same initial weights, same outputs, gradients and state."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing._internal.common_modules import module_db

import chainrule

from . import bridge

INFOS = [m for m in module_db if m.module_cls.__module__.startswith("torch.nn.modules") and hasattr(chainrule.nn, m.module_cls.__name__)]
MOST = 12  # samples of one module

# What PyTorch's kernels do and no other program sees: the backward of the first one leaves the neighbouring channels out, that
# of the second one adds ``exp(log_probs)``, which vanishes only behind a ``log_softmax``.
NO_GRADIENT = {"CrossMapLRN2d", "CTCLoss"}


def pair(info: Any, sample: Any) -> tuple[Any, Any, Exception | None]:
    """The module of either side, initialised from the same seed."""
    given = sample.constructor_input
    torch.manual_seed(7)
    theirs, error = bridge.outcome(info.module_cls, *given.args, **given.kwargs)
    chainrule.manual_seed(7)
    make = getattr(chainrule.nn, info.module_cls.__name__)
    mine, our_error = bridge.outcome(make, *bridge.ours(given.args), **bridge.ours(given.kwargs))
    if error is not None:
        assert type(our_error).__name__ == type(error).__name__
        assert str(our_error) == str(error)
    else:
        assert our_error is None, repr(our_error)
    return mine, theirs, error


def same_state(mine: Any, theirs: Any) -> None:
    """Equal ``state_dict``s, names in the same order."""
    got, want = mine.state_dict(), theirs.state_dict()
    assert list(got) == list(want)
    for name in want:
        if torch.nn.parameter.is_lazy(want[name]):
            assert chainrule.nn.parameter.is_lazy(got[name])
        else:
            bridge.compare(got[name], want[name], name)


def leaves(thing: Any) -> Any:
    """The inputs without the history that making them left."""
    if isinstance(thing, torch.Tensor):
        return thing.detach().clone().requires_grad_(thing.requires_grad)
    if isinstance(thing, dict):
        return {k: leaves(v) for k, v in thing.items()}
    return type(thing)(map(leaves, thing)) if isinstance(thing, tuple | list) else thing


def test_every_module_that_exists_is_driven() -> None:
    assert len(INFOS) >= 105


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("info", INFOS, ids=lambda m: m.formatted_name)
def test_module(info: Any, training: bool) -> None:
    samples = info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=training)
    kinds = (torch.float64,)
    for sample in samples[:MOST]:
        sample.constructor_input.kwargs.setdefault("dtype", kinds[0])
        if "dtype" not in info.module_cls.__init__.__code__.co_varnames:
            del sample.constructor_input.kwargs["dtype"]
        mine, theirs, error = pair(info, sample)
        if error is not None or sample.forward_input is None:
            continue
        mine, theirs = mine.double().train(training), theirs.double().train(training)
        assert repr(mine) == repr(theirs)
        same_state(mine, theirs)
        args, kwargs = leaves(sample.forward_input.args), leaves(sample.forward_input.kwargs)
        our_args, our_kwargs = bridge.ours(args), bridge.ours(kwargs)
        torch.manual_seed(3)
        want, error = bridge.outcome(theirs, *args, **kwargs)
        chainrule.manual_seed(3)
        got, our_error = bridge.outcome(mine, *our_args, **our_kwargs)
        if error is not None:
            assert our_error is not None, f"{sample.desc}: PyTorch refuses with {error!r}"
            continue
        assert our_error is None, repr(our_error)
        bridge.compare(got, want)
        same_state(mine, theirs)
        if info.module_cls.__name__ not in NO_GRADIENT:
            parameters = [list(mine.parameters()), list(theirs.parameters())]
            bridge.compare_gradients(got, want, [our_args, our_kwargs, parameters[0]], [args, kwargs, parameters[1]])


@pytest.mark.parametrize("info", INFOS, ids=lambda m: m.formatted_name)
def test_copies(info: Any) -> None:
    samples = info.module_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=False, training=True)
    mine, _theirs, error = pair(info, samples[0])
    if error is not None:
        return
    for twin in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
        assert repr(twin) == repr(mine)
        assert list(twin.state_dict()) == list(mine.state_dict())
        for a, b in zip(mine.state_dict().values(), twin.state_dict().values(), strict=True):
            if chainrule.nn.parameter.is_lazy(a):
                assert chainrule.nn.parameter.is_lazy(b)
                continue
            np.testing.assert_array_equal(a.numpy(), b.numpy())
            assert a.data_ptr() != b.data_ptr()


@pytest.mark.parametrize("name", ["Linear", "Conv2d", "Embedding", "BatchNorm1d", "LayerNorm", "Bilinear", "PReLU"])
def test_state_of_pytorch_loads(name: str) -> None:
    sizes = {"Linear": (4, 3), "Conv2d": (2, 3, 3), "Embedding": (5, 4), "BatchNorm1d": (4,), "LayerNorm": (4,), "Bilinear": (2, 3, 4)}
    args = sizes.get(name, ())
    theirs, mine = getattr(torch.nn, name)(*args), getattr(chainrule.nn, name)(*args)
    mine.load_state_dict({k: chainrule.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()})
    same_state(mine, theirs)
