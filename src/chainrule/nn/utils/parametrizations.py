"""Parametrisations that networks are trained with: orthogonal matrices, weight and spectral normalisation."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from ...core.grad_mode import no_grad
from ...core.tensor import Tensor
from ...ops.factories import eye
from ...ops.joining import cat
from ...ops.linalg import householder_product, matrix_exp, solve
from ...ops.matmul import mv, vdot
from ...ops.matrices import geqrf
from ...ops.random import randn
from ...ops.weight_norm import norm_except_dim
from ...ops.weight_norm import weight_norm as normed
from .. import functional as F
from ..modules.module import Module
from . import parametrize

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def flattened(weight: Any, dim: int) -> Any:
    """The weight as a matrix with ``dim`` as its rows."""
    if dim != 0:
        weight = weight.permute(dim, *[d for d in range(weight.dim()) if d != dim])
    return weight.flatten(1)


def rows_of(module: Any) -> int:
    """The dimension of output channels: 1 for transposed convolutions, else 0."""
    return 1 if getattr(module, "transposed", False) else 0


def _tensor_of(module: Any, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# -- orthogonal ----------------------------------------------------------------------------------------------------------


def _orthonormal(a: Any) -> Any:
    """An orthogonal matrix from the QR factorisation, with the signs that keep one which is orthogonal already."""
    x, tau = geqrf(a)
    q: Any = householder_product(x, tau)
    return q * x.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _is_orthogonal(q: Any) -> bool:
    from ...core.info import finfo

    n, k = q.shape[-2:]
    return bool((q.mH @ q).allclose(eye(k, dtype=q.dtype), atol=10.0 * n * finfo(q.dtype).eps))


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


class _Orthogonal(Module):
    """Orthogonal matrices from any: M. Lezcano-Casado, "Trivializations for gradient-based optimization …" (2019)."""

    def __init__(self, weight: Any, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map is _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def _of_skew(self, x: Any) -> Any:
        n, k = x.shape[-2:]
        x = x.tril()
        if n != k:
            x = cat([x, x.new_zeros(n, n - k).expand(*x.shape[:-2], -1, -1)], -1)
        a = x - x.mH
        if self.orthogonal_map is _OrthMaps.matrix_exp:
            return matrix_exp(a)[..., :k]  # type: ignore[index]
        one: Any = eye(n, dtype=a.dtype)
        return solve(one - 0.5 * a, one + 0.5 * a)[..., :k]  # type: ignore[index]

    def forward(self, x: Any) -> Any:
        wide = x.shape[-2] < x.shape[-1]
        if wide:
            x = x.mT
        if self.orthogonal_map is _OrthMaps.householder:
            a = x.tril(-1)
            q: Any = householder_product(a, 2.0 / (1.0 + (a * a).sum(-2)))
            q = q * x.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            q = self._of_skew(x)
        if "base" in self._buffers:
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, q: Any) -> Any:
        """What gives the orthogonal matrix ``q``, or one near to it."""
        if q.shape != self.shape:
            raise ValueError(f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {q.shape}.")
        with no_grad():
            given = q
            wide = q.shape[-2] < q.shape[-1]
            q = q.mT if wide else q
            n, k = q.shape[-2:]
            if "base" not in self._buffers:
                if self.orthogonal_map is not _OrthMaps.householder:
                    raise NotImplementedError(
                        "It is not possible to assign to the matrix exponential or the Cayley parametrizations when"
                        " use_trivialization=False."
                    )
                a, tau = geqrf(q)
                signs = a.diagonal(dim1=-2, dim2=-1)
                signs.sign_()
                signs[tau == 0.0] *= -1
                return a.mT if wide else a
            if n == k:
                q = q.clone() if _is_orthogonal(q) else _orthonormal(q)
            else:
                q = _orthonormal(cat([q, randn(*q.shape[:-2], n, n - k, dtype=q.dtype)], -1))
            self.base = q
            minus_one = given.zeros_like()
            minus_one.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
            return minus_one


def orthogonal(module: Any, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True) -> Any:
    """Keep a matrix orthogonal (its columns where it is tall, its rows where it is wide).

    ``orthogonal_map``: 'matrix_exp', 'cayley' or 'householder'; the first for square or complex matrices unless given.
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] or weight.is_complex() else "householder"
    chosen = getattr(_OrthMaps, orthogonal_map, None)
    if chosen is None:
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    made = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)


# -- weight normalisation ------------------------------------------------------------------------------------------------


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return normed(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> Any:
        """Lengths and directions."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Make a weight of the lengths ``original0`` and directions ``original1`` of its vectors along all dimensions but ``dim``."""
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def from_hook(state_dict: Any, prefix: str, *rest: Any) -> None:
        old = [f"{prefix}{name}_{suffix}" for suffix in "gv"]
        if all(key in state_dict for key in old):
            for k, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{k}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(from_hook)
    return module


# -- spectral normalisation ----------------------------------------------------------------------------------------------


class _SpectralNorm(Module):
    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = flattened(weight, self.dim)
            for name, n in zip(("_u", "_v"), matrix.shape, strict=True):
                self.register_buffer(name, F.normalize(matrix.detach().new_empty(n).normal_(0, 1), dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _power_method(self, matrix: Any, iterations: int) -> None:
        with no_grad():
            for _ in range(iterations):
                self._u.copy_(F.normalize(mv(matrix, self._v), dim=0, eps=self.eps))
                self._v.copy_(F.normalize(mv(matrix.mH, self._u), dim=0, eps=self.eps))

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = flattened(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Copies: the vectors are written to in the next call, and backward may come after it.
        return weight / vdot(self._u.clone(), mv(matrix, self._v.clone()))

    def right_inverse(self, value: Any) -> Any:
        """The value itself: normalising again changes nothing."""
        return value


def spectral_norm(module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None) -> Any:
    """Divide a weight by its largest singular value, which the power method follows while training.

    T. Miyato et al., "Spectral normalization for generative adversarial networks" (2018).
    """
    weight = _tensor_of(module, name)
    made = _SpectralNorm(weight, n_power_iterations, rows_of(module) if dim is None else dim, eps)
    return parametrize.register_parametrization(module, name, made)
