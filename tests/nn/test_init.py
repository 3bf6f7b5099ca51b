"""Initial values: statistics and bounds that hold whatever the generator gives, and refusals."""

from __future__ import annotations

import pytest

import chainrule as torch
from chainrule import nn


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"), [(0.0, 1.0, -2.0, 2.0), (0.0, 1.0, -0.3, 0.3), (0.0, 1.0, 1.5, 4.0), (3.0, 2.0, -1.0, 2.0)]
)
def test_truncated_normal_has_the_right_moments(mean: float, std: float, a: float, b: float) -> None:
    from statistics import NormalDist

    torch.manual_seed(0)
    x = nn.init.trunc_normal_(torch.empty(20000, dtype=torch.float64), mean, std, a, b)
    assert a <= x.min() and x.max() <= b
    n = NormalDist()
    low, high = (a - mean) / std, (b - mean) / std
    mass = n.cdf(high) - n.cdf(low)
    expected = mean + std * (n.pdf(low) - n.pdf(high)) / mass
    assert x.mean().item() == pytest.approx(expected, abs=4 * x.std().item() / 20000**0.5)


def test_orthogonal_rows() -> None:
    q = nn.init.orthogonal_(torch.empty(3, 5, dtype=torch.float64), gain=2)
    assert torch.allclose(q @ q.T, 4 * torch.eye(3, dtype=torch.float64))


def test_dirac_passes_channels_through() -> None:
    conv = nn.Conv2d(2, 2, 3, padding=1, bias=False)
    nn.init.dirac_(conv.weight)
    x = torch.randn(1, 2, 4, 4)
    assert torch.allclose(conv(x), x)


def test_sparse_zeroes_a_share_of_each_column() -> None:
    w = nn.init.sparse_(torch.empty(10, 4), 0.25)
    assert (w == 0).sum(0).tolist() == [3, 3, 3, 3]


def test_refusals() -> None:
    with pytest.raises(ValueError, match="Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"):
        nn.init.xavier_uniform_(torch.empty(3))
    with pytest.raises(ValueError, match="Unsupported nonlinearity gelu"):
        nn.init.calculate_gain("gelu")
    with pytest.warns(FutureWarning, match=r"`nn.init.normal` is now deprecated in favor of `nn.init.normal_`."):
        nn.init.normal(torch.empty(2))


def test_clipping() -> None:
    p, q = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    p.grad, q.grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    assert nn.utils.clip_grad_norm_([p, q], 1.0).item() == pytest.approx(5.0)
    assert p.grad[0].item() == pytest.approx(0.6, rel=1e-5)
    assert nn.utils.clip_grad_norm_([p, q], 10.0).item() == pytest.approx(1.0, rel=1e-5)
    nn.utils.clip_grad_value_([p, q], 0.5)
    assert p.grad.tolist() == [0.5, 0.0]
    q.grad = torch.tensor([float("nan")])
    with pytest.raises(RuntimeError, match="non-finite, so it cannot be clipped"):
        nn.utils.clip_grad_norm_([p, q], 1.0, error_if_nonfinite=True)
