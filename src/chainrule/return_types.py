"""The named tuples that operations with several results return (``torch.return_types``)."""

from __future__ import annotations

from typing import Any


class _Named(type):
    """The metaclass: a printed type reads as PyTorch's."""

    def __repr__(cls) -> str:
        return f"<class 'torch.return_types.{cls.__name__}'>"


class _Fields(tuple, metaclass=_Named):
    """Base of the named tuples: a tuple whose items have names, with PyTorch's repr.

    ``values, indices = torch.max(x, 0)`` and ``torch.max(x, 0).values`` both work.
    """

    __slots__ = ()
    _names: tuple[str, ...] = ()
    __match_args__: tuple[str, ...] = ()

    def __new__(cls, items: Any) -> Any:
        items = tuple(items)
        if len(items) != len(cls._names):
            raise TypeError(
                f"torch.return_types.{cls.__name__}() takes a {len(cls._names)}-sequence ({len(items)}-sequence given)"
            )
        return tuple.__new__(cls, items)

    def __repr__(self) -> str:
        parts = ",\n".join([f"{n}={v!r}" for n, v in zip(self._names, self, strict=True)])
        return f"torch.return_types.{type(self).__name__}(\n{parts})"

    def __reduce__(self) -> Any:
        return (type(self), (tuple(self),))


class _Item:
    """The attribute that gives item ``index``."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else tuple.__getitem__(owner, self.index)


def _define(name: str, *fields: str) -> Any:
    body: dict[str, Any] = {"__slots__": (), "__module__": __name__, "_names": fields, "__match_args__": fields}
    body["n_fields"] = body["n_sequence_fields"] = len(fields)
    body["n_unnamed_fields"] = 0
    body.update({f: _Item(i) for i, f in enumerate(fields)})
    return _Named(name, (_Fields,), body)


_VALUES = ("values", "indices")
max = _define("max", *_VALUES)
min = _define("min", *_VALUES)
median = _define("median", *_VALUES)
nanmedian = _define("nanmedian", *_VALUES)
mode = _define("mode", *_VALUES)
kthvalue = _define("kthvalue", *_VALUES)
sort = _define("sort", *_VALUES)
topk = _define("topk", *_VALUES)
cummax = _define("cummax", *_VALUES)
cummin = _define("cummin", *_VALUES)
aminmax = _define("aminmax", "min", "max")
histogram = _define("histogram", "hist", "bin_edges")
histogramdd = _define("histogramdd", "hist", "bin_edges")
frexp = _define("frexp", "mantissa", "exponent")
qr = _define("qr", "Q", "R")
svd = _define("svd", "U", "S", "V")
slogdet = _define("slogdet", "sign", "logabsdet")
geqrf = _define("geqrf", "a", "tau")
lu_unpack = _define("lu_unpack", "P", "L", "U")
triangular_solve = _define("triangular_solve", "solution", "cloned_coefficient")
linalg_cholesky_ex = _define("linalg_cholesky_ex", "L", "info")
linalg_eig = _define("linalg_eig", "eigenvalues", "eigenvectors")
linalg_eigh = _define("linalg_eigh", "eigenvalues", "eigenvectors")
linalg_inv_ex = _define("linalg_inv_ex", "inverse", "info")
linalg_ldl_factor = _define("linalg_ldl_factor", "LD", "pivots")
linalg_ldl_factor_ex = _define("linalg_ldl_factor_ex", "LD", "pivots", "info")
linalg_lstsq = _define("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
linalg_lu = _define("linalg_lu", "P", "L", "U")
linalg_lu_factor = _define("linalg_lu_factor", "LU", "pivots")
linalg_lu_factor_ex = _define("linalg_lu_factor_ex", "LU", "pivots", "info")
linalg_qr = _define("linalg_qr", "Q", "R")
linalg_slogdet = _define("linalg_slogdet", "sign", "logabsdet")
linalg_solve_ex = _define("linalg_solve_ex", "result", "info")
linalg_svd = _define("linalg_svd", "U", "S", "Vh")
