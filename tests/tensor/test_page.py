"""The package's page of names: complete, PyTorch-like, and light."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import chainrule as torch
from chainrule import ops

MODULES = [importlib.import_module(m.name) for m in pkgutil.iter_modules(ops.__path__, "chainrule.ops.")]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.rpartition(".")[2])
def test_every_public_operation_can_be_reached(module):
    if module.__name__.rpartition(".")[2] in ("data", "declare", "structure"):
        return  # tools of the other modules
    places = (torch, torch.Tensor, torch.nn.functional, torch.linalg, torch.special)
    lost = [n for n in getattr(module, "__all__", ()) if not any(hasattr(p, n) for p in places)]
    assert lost == []


def test_names_that_load_at_first_use():
    for name in ("autocast", "vmap", "save", "load", "UntypedStorage", "GradScaler", "is_anomaly_enabled"):
        assert callable(getattr(torch, name))
    assert torch.nn.__name__ == "chainrule.nn" and torch.optim.SGD
    assert torch.detach(torch.ones(1, requires_grad=True)).requires_grad is False
    assert torch.exp_(torch.zeros(1)).item() == 1


def test_a_missing_name_is_named():
    with pytest.raises(AttributeError, match="module 'chainrule' has no attribute 'no_such_name'"):
        torch.no_such_name


def test_constants():
    assert torch.pi > 3.14 and torch.e > 2.71 and torch.inf == float("inf") and torch.nan != torch.nan and torch.newaxis is None
    assert torch.__version__.startswith("2.")
