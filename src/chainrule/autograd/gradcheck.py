"""Comparing derivatives with finite differences: ``gradcheck`` and ``gradgradcheck``.

Central differences in double precision against the Jacobian that reverse mode gives, row by row; optionally forward
mode, batched gradients and the zero of undefined gradients too.  Messages are PyTorch's
(https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.grad import grad as _grad
from ..core.node import LEAF
from ..core.tensor import Tensor, wrap


class GradcheckError(RuntimeError):
    """A derivative differs from finite differences."""


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
    nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False, check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:  # fmt: skip
    """True when the derivatives of ``func`` at ``inputs`` agree with central differences of step ``eps``.

    Raises GradcheckError (or returns False, without ``raise_exception``) where they do not.

    >>> import chainrule as torch
    >>> torch.autograd.gradcheck(torch.sin, torch.ones(3, dtype=torch.float64, requires_grad=True))
    True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    try:
        ins = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        check = _Check(func, ins, eps, atol, rtol)
        check.prepare()
        if check_backward_ad:
            check.backward(nondet_tol)
            if check_batched_grad:
                check.batched()
            if check_undefined_grad:
                check.undefined()
        if check_forward_ad:
            check.forward()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


class _Check:
    def __init__(self, func: Callable[..., Any], ins: tuple[Any, ...], eps: float, atol: float, rtol: float) -> None:
        self.func, self.ins, self.eps, self.atol, self.rtol = func, ins, eps, atol, rtol
        self.diff: list[int] = []
        self.outs: list[Tensor] = []
        self.numerical: list[list[Any]] = []

    def prepare(self) -> None:
        """Check the inputs, run the function, take the finite differences."""
        for i, x in enumerate(self.ins):
            if isinstance(x, Tensor) and x.requires_grad:
                if x.dtype.name not in ("float64", "complex128"):
                    warnings.warn(
                        f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will likely fail"
                        " if all the inputs are not of double precision floating point or complex. ",
                        UserWarning,
                        stacklevel=3,
                    )
                if x.numel() and any(s == 0 and n > 1 for s, n in zip(x.stride(), x.shape, strict=True)):
                    raise RuntimeError(
                        f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to be able"
                        " to compute the numerical gradients correctly. You should call .contiguous on the input before passing it to"
                        " gradcheck."
                    )
                self.diff.append(i)
        if not self.diff:
            raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True.")
        self.outs = self.differentiable(self.func(*self.ins))
        if not self.outs:
            raw = [o for o in _listed(self.func(*self.ins)) if isinstance(o, Tensor)]
            if any(np.any(j != 0) for o in self.finite_differences(raw) for j in o):
                raise GradcheckError("Numerical gradient for function expected to be zero")
        self.numerical = self.finite_differences(self.outs)

    @staticmethod
    def differentiable(outputs: Any) -> list[Tensor]:
        return [o for o in _listed(outputs) if isinstance(o, Tensor) and o.requires_grad]

    def values(self) -> list[Any]:
        """The outputs now, as arrays; the same ones that were differentiable."""
        found = [o for o in _listed(self.func(*self.ins)) if isinstance(o, Tensor)]
        wanted = [o for o in found if o.requires_grad] or found
        return [np.array(o.detach()._value) for o in wanted]

    def finite_differences(self, outs: Sequence[Tensor]) -> list[list[Any]]:
        """J[output][input] of shape (numel out, numel in); for complex inputs the conjugate Wirtinger pair is combined."""
        table: list[list[Any]] = [[] for _ in outs]
        for i in self.diff:
            x = self.ins[i]
            flat = x.detach().numpy()
            columns: list[list[Any]] = [[] for _ in outs]
            for index in np.ndindex(flat.shape):
                for k, column in enumerate(self.directional(flat, index, len(outs))):
                    columns[k].append(column)
            for k, o in enumerate(outs):
                n = o.numel()
                table[k].append(np.stack(columns[k], 1) if columns[k] else np.zeros((n, 0)))
        return table

    def directional(self, flat: Any, index: tuple[int, ...], n: int) -> list[Any]:
        def step(delta: Any) -> list[Any]:
            before = flat[index].copy() if flat.ndim else flat[()]
            flat[index] = before + delta
            high = self.values()
            flat[index] = before - delta
            low = self.values()
            flat[index] = before
            return [(h - w).reshape(-1) / (2 * self.eps) for h, w in zip(high, low, strict=True)]

        real = step(self.eps)
        if flat.dtype.kind != "c":
            return real[:n]
        imaginary = step(self.eps * 1j)
        return [np.stack([a, b], -1) for a, b in zip(real, imaginary, strict=True)][:n]

    def rows(self, o: Tensor, one: Any) -> list[list[Any]]:
        """Cotangents of the inputs for each unit cotangent ``one`` of ``o``."""
        shape = tuple(o.shape)
        found = []
        xs = [self.ins[i] for i in self.diff]
        for j in range(int(np.prod(shape))):
            e = np.zeros(shape, o.dtype.np)
            e.reshape(-1)[j] = one
            grads = _grad(o, xs, wrap(e), retain_graph=True, allow_unused=True)
            row = [np.zeros(x._value.shape, x.dtype.np) if g is None else np.array(g._value) for g, x in zip(grads, xs, strict=True)]
            found.append(row)
        return found

    def backward(self, nondet_tol: float) -> None:
        """Reverse mode against finite differences."""
        for k, o in enumerate(self.outs):
            rows = self.rows(o, 1)
            again = self.rows(o, 1)
            imaginary = self.rows(o, 1j) if o.dtype.is_complex else None
            for c, i in enumerate(self.diff):
                analytical = _stacked(rows, c)
                if analytical.size and not np.allclose(analytical, _stacked(again, c), rtol=0, atol=nondet_tol, equal_nan=True):
                    raise GradcheckError(
                        "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different"
                        " values"
                    )
                self.compare(self.numerical[k][c], analytical, None if imaginary is None else _stacked(imaginary, c), k, i)

    def compare(self, numerical: Any, real: Any, imaginary: Any, k: int, i: int, mode: str = "") -> None:
        """⟨cotangent, directional derivative⟩ on both sides, for real and imaginary parts."""
        complex_in = self.ins[i].dtype.is_complex
        parts = numerical if complex_in else numerical[..., None]
        for d in range(parts.shape[-1]):
            want_re = np.real(parts[..., d])
            want_im = np.imag(parts[..., d])
            have = np.imag(real) if d else np.real(real)
            self.close(want_re, have, k, i, mode)
            if imaginary is not None:
                self.close(want_im, np.imag(imaginary) if d else np.real(imaginary), k, i, mode)

    def close(self, numerical: Any, analytical: Any, k: int, i: int, mode: str) -> None:
        if analytical.shape != numerical.shape:
            analytical = analytical.reshape(numerical.shape)
        if not np.allclose(analytical, numerical, rtol=self.rtol, atol=self.atol, equal_nan=True):
            raise GradcheckError(
                f"Jacobian {mode}mismatch for output {k} with respect to input {i},\nnumerical:{wrap(numerical.T)!r}\n"
                f"analytical:{wrap(np.array(analytical.T))!r}\n"
            )

    def batched(self) -> None:
        """One vmapped pullback against one by one."""
        xs = [self.ins[i] for i in self.diff]
        for k, o in enumerate(self.outs):
            shape = tuple(o.shape)
            rng = np.random.default_rng(0)
            cts = rng.standard_normal((2, *shape)).astype(o.dtype.np)
            together = _grad(o, xs, (wrap(cts),), retain_graph=True, allow_unused=True, is_grads_batched=True)
            for b in range(2):
                single = _grad(o, xs, wrap(np.array(cts[b])), retain_graph=True, allow_unused=True)
                for t, s in zip(together, single, strict=True):
                    one_is_missing = (t is None) != (s is None)
                    if one_is_missing or (t is not None and not np.allclose(t._value[b], s._value, rtol=self.rtol, atol=self.atol)):
                        raise GradcheckError(f"While checking batched gradients, vmap and a loop differ for output {k}.")

    def undefined(self) -> None:
        """A zero cotangent gives zero gradients."""
        xs = [self.ins[i] for i in self.diff]
        zeros = [wrap(np.zeros(o._value.shape, o.dtype.np)) for o in self.outs]
        for g in _grad(self.outs, xs, zeros, retain_graph=True, allow_unused=True) if self.outs else ():
            if g is not None and np.any(np.array(g._value) != 0):
                raise GradcheckError("Expected all input grads to be undefined or zero when all output grads are undefined or zero.")

    def forward(self) -> None:
        """Forward mode against finite differences."""
        from ..func import jvp

        for c, i in enumerate(self.diff):
            x = self.ins[i]

            def of_one(z: Tensor, i: int = i) -> Any:
                given = [a.detach() if isinstance(a, Tensor) else a for a in self.ins]
                given[i] = z
                outs = [o for o in _listed(self.func(*given)) if isinstance(o, Tensor)]
                return tuple([o for o in outs if o.dtype.is_floating_point or o.dtype.is_complex])

            columns: list[list[Any]] = [[] for _ in self.outs]
            for index in np.ndindex(tuple(x.shape)):
                e = np.zeros(tuple(x.shape), x.dtype.np)
                e[index] = 1
                for k, t in enumerate(jvp(of_one, (x.detach(),), (wrap(e),))[1][: len(self.outs)]):
                    columns[k].append(np.array(t._value).reshape(-1))
            for k, o in enumerate(self.outs):
                n = o.numel()
                have = np.stack(columns[k], 1) if columns[k] else np.zeros((n, 0))
                want = self.numerical[k][c]
                self.close(want[..., 0] if x.dtype.is_complex else want, have, k, i, "computed with forward mode ")


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]


def _stacked(rows: list[list[Any]], c: int) -> Any:
    return np.stack([r[c].reshape(-1) for r in rows], 0) if rows else np.zeros((0, 0))


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True,
    fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """:func:`gradcheck` of the gradient: second derivatives against finite differences of first ones."""
    ins = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        outs = _Check.differentiable(func(*ins))
        rng = np.random.default_rng(0)
        made = []
        for o in outs:
            ct = wrap(rng.standard_normal(tuple(o.shape)).astype(o.dtype.np))
            ct._gn = LEAF
            made.append(ct)
        cotangents: tuple[Any, ...] = tuple(made)
    else:
        cotangents = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    n = len(cotangents)

    def first(*args: Any) -> Any:
        xs, cts = args[:-n], args[-n:]
        asked = [isinstance(x, Tensor) and x._gn is None and _floating(x) and ins[i].requires_grad for i, x in enumerate(xs)]
        xs = tuple([x.requires_grad_() if a else x for x, a in zip(xs, asked, strict=True)])
        outs = _Check.differentiable(func(*xs))
        wanted = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
        return tuple([g for g in _grad(outs, wanted, cts, create_graph=True, allow_unused=True) if g is not None])

    return gradcheck(
        first, ins + cotangents, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev, fast_mode=fast_mode, masked=masked,
    )  # fmt: skip


def _floating(x: Tensor) -> bool:
    return x.dtype.is_floating_point or x.dtype.is_complex
