"""``backward`` and ``grad``: what the user calls to start a walk."""

from __future__ import annotations

from collections.abc import Sequence
from sys import _getframe
from typing import Any
from weakref import ref

import numpy as np

from .backward import Walk, accumulate, quick_backward, run_backward
from .node import LEAF
from .tensor import Tensor, wrap
from .value import Value
from .walks import WALKS, walk_starts

_ONES: dict[Any, Any] = {t: t(1) for t in (np.float32, np.float64)}  # by the type of a scalar's value

NO_GRAD_FN = "element {} of tensors does not require grad and does not have a grad_fn"


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradient of ``tensors`` to ``grad`` of the leaves (or of ``inputs`` only).

    Raises RuntimeError for a non-scalar output without a cotangent, an output without history, a graph that was freed,
    and a saved value that was overwritten.

    >>> import chainrule as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.backward(x ** 2)
    >>> x.grad
    tensor(6.)
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    outputs = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    if inputs is not None:
        inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    cotangents = _as_sequence(grad_tensors, len(outputs))
    keep = create_graph if retain_graph is None else retain_graph
    roots = start(outputs, cotangents, create_graph)
    if not roots:
        return
    if inputs is None:
        edge, ct = roots[0]
        plain = len(roots) == 1 and not create_graph and isinstance(ct, (np.ndarray, np.generic))
        if plain and not (edge.is_leaf_edge or edge.is_slot or edge.level):
            walk_starts(edge, bool(keep))
            quick_backward(edge, ct, bool(keep))
        else:
            run_backward(roots, keep=keep, create_graph=create_graph)
        return
    for x in inputs:
        if x._gn is None:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    walk = run_backward(roots, inputs=inputs, keep=keep, create_graph=create_graph)
    for i, x in enumerate(inputs):
        if x._gn is not LEAF and i in walk.captured:
            accumulate(x, walk.captured[i], create_graph)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, as a tuple; nothing is accumulated.

    Raises RuntimeError for an input that was not used (unless ``allow_unused`` or ``materialize_grads``).

    >>> import chainrule as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> torch.autograd.grad(x ** 3, x)
    (tensor(12.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.")
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    outs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    ins = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    cotangents = _as_sequence(grad_outputs, len(outs))
    keep = create_graph if retain_graph is None else retain_graph
    for x in ins:
        if x._gn is None:
            raise RuntimeError("One of the differentiated Tensors does not require grad")

    def walk(cts: Sequence[Any]) -> tuple[Any, ...]:
        roots = start(outs, cts, create_graph, batched=is_grads_batched)
        found = run_backward(roots, inputs=ins, keep=keep, create_graph=create_graph, accumulate=False)
        return _collect(found, ins, allow_unused, materialize_grads)

    if is_grads_batched:
        from .batched import vmap_over

        return tuple(vmap_over(walk, cotangents))
    return walk(cotangents)


def tensor_backward(
    self: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Add the gradient of this tensor to ``grad`` of the leaves that it was computed from.

    ``gradient`` is the cotangent, needed unless the tensor has one element.  Raises RuntimeError as
    :func:`chainrule.autograd.backward` does.

    >>> import chainrule as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """
    if gradient is None and inputs is None and not create_graph:
        gn = self._gn
        if gn is not None and gn is not LEAF and not gn.is_slot:
            one = _ONES.get(type(self._value))
            if one is not None:
                frame = _getframe(1)
                WALKS.append(((frame.f_code, frame.f_lasti), ref(gn), gn.order, bool(retain_graph)))
                quick_backward(gn, one, bool(retain_graph))
                return
    backward((self,), None if gradient is None else (gradient,), retain_graph, create_graph, inputs=inputs)


def _as_sequence(given: Any, n: int) -> tuple[Any, ...]:
    if given is None:
        return (None,) * n
    cts = (given,) if isinstance(given, Tensor) else tuple(given)
    if len(cts) != n:
        raise RuntimeError(f"got {n} tensors and {len(cts)} gradients")
    return cts


def _collect(walk: Walk, ins: Sequence[Tensor], allow_unused: bool, materialize: bool) -> tuple[Any, ...]:
    found: list[Any] = []
    for i, x in enumerate(ins):
        ct = walk.captured.get(i)
        if ct is None:
            if materialize:
                found.append(x.detach().zeros_like())
                continue
            if not allow_unused:
                raise RuntimeError(
                    f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set allow_unused=True if this"
                    " is the desired behavior."
                )
            found.append(None)
            continue
        if isinstance(ct, Tensor):
            found.append(ct)
        else:
            found.append(wrap(np.array(ct) if isinstance(ct, np.ndarray) and ct.base is not None else ct))
    return tuple(found)


def start(outputs: Sequence[Tensor], cotangents: Sequence[Any], create_graph: bool, batched: bool = False) -> list[tuple[Any, Any]]:
    """The walk's roots: each output's edge with its cotangent, ones for a scalar."""
    roots = []
    for i, (y, ct) in enumerate(zip(outputs, cotangents, strict=True)):
        gn = y._gn
        value = y._value
        if gn is None:
            if isinstance(value, Value):
                inner = value.tape_below(y, ct)
                if inner is not None:
                    roots += start([inner[0]], [inner[1]], create_graph)
                    continue
            from .telling import without_history

            raise without_history(NO_GRAD_FN.format(i), y)
        edge = y if gn is LEAF else gn
        if ct is None:
            roots.append((edge, _one(y)))
            continue
        if not batched and tuple(ct.shape) != tuple(y.shape):
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {ct.shape} and output[{i}] has a shape of {y.shape}."
            )
        if ct.dtype.is_complex != y.dtype.is_complex:
            raise RuntimeError(
                "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
                f"grad_output[{i}] has a dtype of {ct.dtype} and output[{i}] has a dtype of {y.dtype}."
            )
        plain = not create_graph and not isinstance(ct._value, Value) and not isinstance(value, Value)
        roots.append((edge, ct._value if plain else ct))
    return roots


def _one(y: Tensor) -> Any:
    value = y._value
    if isinstance(value, Value):
        if int(np.prod(value.shape)) != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        inner = value.under(y)
        return inner.detach().ones_like()
    if value.size != 1:
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    if value.ndim:
        return np.ones(value.shape, value.dtype)
    if y.dtype.category != 2:
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {y.dtype}")
    return value.dtype.type(1)
