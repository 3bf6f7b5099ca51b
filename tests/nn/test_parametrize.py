"""Parameters that are functions of others, and normalised weights."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import chainrule as torch
from chainrule import nn
from chainrule.nn.utils import parametrizations, parametrize


class Doubled(nn.Module):
    def forward(self, x: Any) -> Any:
        return 2 * x

    def right_inverse(self, y: Any) -> Any:
        return y / 2


class Shorter(nn.Module):
    def forward(self, x: Any) -> Any:
        return x[1:]


def test_weight_is_a_function_of_its_original() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert torch.allclose(layer.weight, before)
    assert torch.allclose(layer.parametrizations.weight.original, before / 2)
    assert [n for n, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    assert repr(layer) == (
        "ParametrizedLinear(\n  in_features=3, out_features=2, bias=True\n  (parametrizations): ModuleDict(\n"
        "    (weight): ParametrizationList(\n      (0): Doubled()\n    )\n  )\n)"
    )
    layer(torch.ones(1, 3)).sum().backward()
    assert torch.equal(layer.parametrizations.weight.original.grad, torch.full((2, 3), 2.0))
    with parametrize.cached():
        assert layer.weight is layer.weight
    layer.weight = torch.ones(2, 3)
    assert torch.equal(layer.parametrizations.weight.original, torch.full((2, 3), 0.5))
    assert parametrize.is_parametrized(layer, "weight") and not parametrize.is_parametrized(layer, "bias")
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and torch.equal(layer.weight, torch.ones(2, 3)) and isinstance(layer.weight, nn.Parameter)


def test_what_changes_the_shape_is_refused() -> None:
    layer = nn.Linear(3, 2)
    with pytest.raises(ValueError, match="may not change the shape of the tensor"):
        parametrize.register_parametrization(layer, "weight", Shorter())
    assert type(layer) is nn.Linear and layer.weight.shape == (2, 3)
    with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized element with name 'scale'"):
        parametrize.register_parametrization(layer, "scale", Doubled())
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        parametrize.remove_parametrizations(layer, "weight")


def test_copies_have_their_own_tensors_and_are_not_pickled() -> None:
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    twin = copy.deepcopy(layer)
    assert torch.equal(twin.weight, layer.weight)
    with torch.no_grad():
        twin.parametrizations.weight.original0.zero_()
    assert not twin.weight.any() and layer.weight.any()
    with pytest.raises(RuntimeError, match="Serialization of parametrized modules is only supported through state_dict"):
        pickle.dumps(layer)


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm(dim: int | None) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    weight = layer.weight.detach().clone()
    new = parametrizations.weight_norm(copy.deepcopy(layer), dim=dim)
    with pytest.warns(FutureWarning, match="weight_norm` is deprecated in favor of"):
        old = nn.utils.weight_norm(layer, dim=dim)
    x = torch.randn(4, 3)
    assert torch.allclose(new.weight, weight) and torch.allclose(new(x), old(x))
    new.load_state_dict(old.state_dict())  # the hook's names are understood
    assert torch.equal(new.parametrizations.weight.original1, old.weight_v)
    nn.utils.remove_weight_norm(old)
    assert torch.allclose(old.weight, weight) and list(old.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
        nn.utils.remove_weight_norm(old)


def test_spectral_norm_reaches_one() -> None:
    torch.manual_seed(0)
    new = parametrizations.spectral_norm(nn.Linear(5, 4))
    old = nn.utils.spectral_norm(nn.ConvTranspose2d(2, 3, 2))
    for _ in range(60):
        out = new(torch.randn(2, 5)).sum() + old(torch.randn(1, 2, 3, 3)).sum()
    out.backward()
    assert torch.allclose(torch.linalg.svdvals(new.weight)[0], torch.tensor(1.0), atol=1e-4)
    assert torch.allclose(torch.linalg.svdvals(old.weight.transpose(0, 1).flatten(1))[0], torch.tensor(1.0), atol=1e-4)
    assert old.weight_orig.grad is not None and new.parametrizations.weight.original.grad is not None
    assert list(old.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
    nn.utils.remove_spectral_norm(old)
    assert isinstance(old.weight, nn.Parameter)


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("use_trivialization", [True, False])
def test_orthogonal_stays_orthogonal(shape: tuple[int, int], orthogonal_map: str, use_trivialization: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(*shape[::-1], dtype=torch.float64)
    made = parametrizations.orthogonal(layer, orthogonal_map=orthogonal_map, use_trivialization=use_trivialization)
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    for _ in range(3):
        w = made.weight
        gram = w @ w.T if shape[0] <= shape[1] else w.T @ w
        assert torch.allclose(gram, torch.eye(min(shape), dtype=torch.float64), atol=1e-10)
        optimizer.zero_grad()
        made(torch.randn(6, shape[1], dtype=torch.float64)).square().sum().backward()
        optimizer.step()
