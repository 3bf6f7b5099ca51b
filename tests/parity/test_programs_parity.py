"""Random programs on both: broadcasting, dtypes, reductions, shapes, indexing, and views written in place."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra import numpy as hnp  # noqa: E402

import chainrule  # noqa: E402

from .bridge import compare, compare_gradients, ours, outcome, tensors_in  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
settings.register_profile("parity", deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
settings.load_profile("parity")

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
FLOATS = ["float32", "float64"]
DTYPES = [*FLOATS, "float16", "bfloat16", "int64", "int32", "uint8", "bool", "complex64"]


def filled(shape, dtype="float64", seed=0, grad=False):
    """A PyTorch tensor of small numbers, distinct, also for other seeds, so that nothing ties."""
    rng = np.random.default_rng(seed)
    n = math.prod(shape)
    values = (rng.permutation(n) - n // 2) * 0.37 + 0.11 + 0.05 * seed
    made = torch.from_numpy(values.reshape(shape)).to(getattr(torch, dtype))
    return made.requires_grad_(grad and made.dtype.is_floating_point)


def agree(program, inputs, gradients=True, loose=1.0):
    """``program(T, *inputs)`` gives the same on both, or raises the same type of error."""
    mine = ours(inputs)
    want, theirs = outcome(program, torch, *inputs)
    got, error = outcome(program, chainrule, *mine)
    if theirs is not None:
        if "not implemented for" not in str(theirs):
            assert error is not None, f"no error; PyTorch's {theirs!r}"
            assert type(error) is type(theirs) or two_reasons(error, theirs), f"{error!r}; PyTorch's {theirs!r}"
        return
    outs = tensors_in(want, torch.Tensor)
    if any(t.dtype == torch.complex32 for t in outs):
        return  # NumPy has no complex number of two halves
    if isinstance(error, NotImplementedError) and not any(t.numel() for t in outs):
        return  # PyTorch does not come to look for its kernel when there is nothing to compute
    if error is not None:
        raise error
    compare(got, want, loose=loose)
    if gradients:
        compare_gradients(got, want, mine, inputs, loose=loose)


def two_reasons(error, theirs):
    """Dims that are wrong in two ways: which is noticed first is nobody's."""
    return "multiple times" in str(error) and "non-zero size" in str(theirs)


# -- elementwise -----------------------------------------------------------------------------------------------------

BINARY = ["add", "sub", "mul", "div", "pow", "maximum", "minimum", "atan2", "fmod", "remainder", "eq", "lt", "ge", "logaddexp", "hypot"]
PAIRS = hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=4, min_side=0, max_side=3)


@settings(max_examples=300)
@given(st.sampled_from(BINARY), PAIRS, st.sampled_from(DTYPES), st.sampled_from(DTYPES))
def test_two_operands(name, shapes, first, second):
    a, b = shapes.input_shapes
    agree(lambda T, x, y: getattr(T, name)(x, y), [filled(a, first, 1), filled(b, second, 2)])


@settings(max_examples=150)
@given(st.sampled_from(["add", "sub", "mul", "div", "maximum", "atan2", "hypot"]), PAIRS, st.sampled_from(FLOATS), st.sampled_from(FLOATS))
def test_gradients_of_two_operands(name, shapes, first, second):
    a, b = shapes.input_shapes
    loose = 1.0 if first == second else 1e4  # a float64 number beside a float32 array computes in float32
    agree(lambda T, x, y: getattr(T, name)(x, y), [filled(a, first, 1, True), filled(b, second, 2, True)], loose=loose)


NUMBERS = st.sampled_from([0, 1, -2, 3, True, 0.5, -1.25, 2.0, float("inf"), float("nan"), 1 + 2j])
OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
}


@settings(max_examples=500)
@given(st.sampled_from(list(OPERATORS)), NUMBERS, st.sampled_from(DTYPES), st.sampled_from([(), (3,), (2, 0)]), st.booleans())
def test_operators_with_numbers(symbol, number, dtype, shape, reflected):
    f = OPERATORS[symbol]
    if dtype == "complex64" and not cmath.isfinite(number):
        return  # PyTorch multiplies the number by 1 + 0j on the way: ∞ · 0j
    if dtype == "float16" and isinstance(number, complex):
        return  # NumPy has no complex number of two halves
    agree(lambda T, x: f(number, x) if reflected else f(x, number), [filled(shape, dtype, grad=dtype in FLOATS)])


@settings(max_examples=150)
@given(st.sampled_from(["add_", "sub_", "mul_", "div_", "pow_", "copy_"]), PAIRS, st.sampled_from(DTYPES), st.sampled_from(DTYPES))
def test_in_place_promotion(name, shapes, first, second):
    a, b = shapes.input_shapes

    def program(T, x, y):
        out = getattr(x, name)(y)
        assert out is x
        return x

    agree(program, [filled(a, first, 1), filled(b, second, 2)])


# -- reductions ------------------------------------------------------------------------------------------------------

REDUCTIONS = ["sum", "mean", "prod", "amax", "amin", "any", "all", "var", "std", "logsumexp", "nansum", "count_nonzero"]


@st.composite
def shape_and_dims(draw, several=True):
    shape = draw(SHAPES)
    n = max(1, len(shape))
    if several and draw(st.booleans()):
        return shape, tuple(draw(st.lists(st.integers(-n, n - 1), max_size=3)))
    return shape, draw(st.integers(-n - (draw(st.integers(0, 9)) == 0), n - 1))


@settings(max_examples=400)
@given(st.sampled_from(REDUCTIONS), shape_and_dims(), st.booleans(), st.sampled_from(["float64", "float32", "int64", "bool", "float16"]))
def test_reductions(name, shaped, keepdim, dtype):
    shape, dim = shaped
    extra = {} if name == "count_nonzero" else {"keepdim": keepdim}
    if name == "logsumexp" and dim == ():
        return  # PyTorch reduces nothing, or refuses, by what the shape is
    smooth = name not in ("var", "std") or dim != ()  # PyTorch divides by zero there
    agree(lambda T, x: getattr(T, name)(x, dim=dim, **extra), [filled(shape, dtype, grad=True)], gradients=smooth)


ALONG = ["max", "min", "median", "argmax", "argmin", "sort", "argsort", "cumsum", "cumprod", "softmax", "log_softmax", "cummax"]


@settings(max_examples=200)
@given(st.sampled_from(ALONG), shape_and_dims(several=False), st.sampled_from(["float64", "int64"]))
def test_along_one_dim(name, shaped, dtype):
    shape, dim = shaped
    agree(lambda T, x: getattr(T, name)(x, dim=dim), [filled(shape, dtype, grad=True)])


@settings(max_examples=150)
@given(st.sampled_from(["sum", "mean", "prod", "max", "min", "argmax", "any", "var", "norm", "median", "std"]), SHAPES)
def test_full_reductions(name, shape):
    if name != "median" or math.prod(shape):  # of nothing PyTorch makes a NaN with a history
        agree(lambda T, x: getattr(T, name)(x), [filled(shape, grad=True)])


# -- products --------------------------------------------------------------------------------------------------------


@st.composite
def product_shapes(draw):
    n, m, k = (draw(st.integers(0, 3)) for _ in range(3))
    batches = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=2, min_side=0, max_side=3)).input_shapes
    left = (m,) if draw(st.booleans()) and not draw(st.booleans()) else (*batches[0], n, m)
    right = (m,) if draw(st.booleans()) and not draw(st.booleans()) else (*batches[1], m, k)
    return left, right


@settings(max_examples=200)
@given(product_shapes(), st.sampled_from(["float64", "float32", "int64"]), st.booleans())
def test_matmul(shapes, dtype, swapped):
    def program(T, x, y):
        return T.matmul(x, y)

    x, y = filled(shapes[0], dtype, 1, True), filled(shapes[1], dtype, 2, True)
    if swapped and x.dim() > 1:
        x = x.detach().transpose(-1, -2).contiguous().transpose(-1, -2).requires_grad_(x.requires_grad)
    agree(program, [x, y])


# -- shapes ----------------------------------------------------------------------------------------------------------


@st.composite
def shape_step(draw, shape):
    """(description, function on a tensor) of one structural operation that mostly fits ``shape``."""
    n = len(shape)
    dim = draw(st.integers(-n, n - 1)) if n else 0
    other = draw(st.integers(-n, n - 1)) if n else 0
    k = draw(st.integers(-3, 3))
    kind = draw(st.sampled_from(SHAPE_STEPS))
    order = tuple(draw(st.permutations(range(n))))
    return kind, SHAPE_STEP[kind](dim, other, k, order)


SHAPE_STEP = {
    "transpose": lambda d, e, k, order: lambda T, x: T.transpose(x, d, e),
    "permute": lambda d, e, k, order: lambda T, x: T.permute(x, order),
    "unsqueeze": lambda d, e, k, order: lambda T, x: T.unsqueeze(x, d),
    "squeeze": lambda d, e, k, order: lambda T, x: T.squeeze(x),
    "squeeze dim": lambda d, e, k, order: lambda T, x: T.squeeze(x, d),
    "flatten": lambda d, e, k, order: lambda T, x: T.flatten(x, d, e),
    "reshape": lambda d, e, k, order: lambda T, x: T.reshape(x, (-1,)),
    "reshape 2": lambda d, e, k, order: lambda T, x: T.reshape(x, (2, -1)),
    "flip": lambda d, e, k, order: lambda T, x: T.flip(x, (d,)),
    "roll": lambda d, e, k, order: lambda T, x: T.roll(x, k, d),
    "roll all": lambda d, e, k, order: lambda T, x: T.roll(x, k),
    "narrow": lambda d, e, k, order: lambda T, x: T.narrow(x, d, 1, 1),
    "select": lambda d, e, k, order: lambda T, x: T.select(x, d, k),
    "expand": lambda d, e, k, order: lambda T, x: x.expand(2, *x.shape),
    "repeat": lambda d, e, k, order: lambda T, x: x.repeat(2, *([1] * x.dim())),
    "tile": lambda d, e, k, order: lambda T, x: T.tile(x, (2,)),
    "tril": lambda d, e, k, order: lambda T, x: T.tril(x, k),
    "triu": lambda d, e, k, order: lambda T, x: T.triu(x, k),
    "diagonal": lambda d, e, k, order: lambda T, x: T.diagonal(x, k, d, e),
    "cat": lambda d, e, k, order: lambda T, x: T.cat([x, x * 2], d),
    "stack": lambda d, e, k, order: lambda T, x: T.stack([x, -x], d),
    "split": lambda d, e, k, order: lambda T, x: T.split(x, 2, d)[0],
    "chunk": lambda d, e, k, order: lambda T, x: T.chunk(x, 2, d)[-1],
    "unbind": lambda d, e, k, order: lambda T, x: T.unbind(x, d)[0],
    "movedim": lambda d, e, k, order: lambda T, x: T.movedim(x, d, e),
    "unfold": lambda d, e, k, order: lambda T, x: x.unfold(d, 2, 1),
    "contiguous": lambda d, e, k, order: lambda T, x: x.contiguous(),
    "clone": lambda d, e, k, order: lambda T, x: x.clone(),
    "view": lambda d, e, k, order: lambda T, x: x.view(-1),
    "cumsum": lambda d, e, k, order: lambda T, x: T.cumsum(x, d),
    "sin": lambda d, e, k, order: lambda T, x: T.sin(x),
}
SHAPE_STEPS = list(SHAPE_STEP)


@settings(max_examples=400)
@given(st.data(), SHAPES, st.integers(1, 4))
def test_shape_chains(data, shape, length):
    """Several structural operations in a row: values, strides, contiguity, gradients."""
    steps = []
    current = filled(shape, grad=True)
    for _ in range(length):
        _, step = data.draw(shape_step(tuple(current.shape)))
        steps.append(step)
        result, error = outcome(step, torch, current)
        if error is not None or result.numel() > 4000:
            break
        current = result

    def program(T, x):
        for step in steps:
            x = step(T, x)
        return x, x.is_contiguous(), len(x.shape)

    agree(program, [filled(shape, grad=True)])


# -- indexing --------------------------------------------------------------------------------------------------------


@st.composite
def index_for(draw, shape):
    """An index, basic or advanced, as a function of the module; mostly within bounds."""
    parts = []
    used = 0
    ellipsis = False
    for _ in range(draw(st.integers(1, len(shape) + 2))):
        kind = draw(st.sampled_from(["int", "slice", "none", "ellipsis", "list", "tensor", "mask", "bool", "number", "full"]))
        size = shape[used] if used < len(shape) else 1
        if kind == "int":
            parts.append(draw(st.integers(-size, max(size - 1, 0))))
            used += 1
        elif kind in ("slice", "full"):
            a, b = (draw(st.none() | st.integers(-size - 1, size + 1)) for _ in range(2))
            parts.append(slice(None) if kind == "full" else slice(a, b, draw(st.none() | st.integers(1, 3))))
            used += 1
        elif kind == "none":
            parts.append(None)
        elif kind == "ellipsis" and not ellipsis:
            parts.append(Ellipsis)
            ellipsis = True
        elif kind in ("list", "tensor") and size:
            rows = draw(st.lists(st.integers(-size, size - 1), min_size=1, max_size=3))
            parts.append(rows if kind == "list" else ("tensor", rows))
            used += 1
        elif kind == "mask":
            parts.append(("tensor", draw(st.lists(st.booleans(), min_size=size, max_size=size)), "bool"))
            used += 1
        elif kind == "bool":
            parts.append(draw(st.booleans()))
        elif kind == "number":
            parts.append(("tensor", draw(st.integers(-size, max(size - 1, 0)))))
            used += 1
    return parts


def built(T, parts):
    """The index with tensors of ``T``."""
    made = []
    for p in parts:
        if isinstance(p, tuple):
            made.append(T.tensor(p[1], dtype=T.bool) if len(p) == 3 else T.tensor(p[1]))
        else:
            made.append(p)
    return tuple(made) if len(made) != 1 else made[0]


@settings(max_examples=500)
@given(st.data(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
def test_getitem(data, shape):
    parts = data.draw(index_for(shape))
    agree(lambda T, x: x[built(T, parts)], [filled(shape, grad=True)])


@settings(max_examples=400)
@given(st.data(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), st.sampled_from(["number", "full", "broadcast"]))
def test_setitem(data, shape, kind):
    """Assignment, with gradients for the tensor and for what is assigned; indices that hit a place twice get equal values."""
    parts = data.draw(index_for(shape))
    region, error = outcome(lambda: filled(shape)[built(torch, parts)])
    size = tuple(region.shape) if error is None else ()
    value = filled({"number": (), "full": size, "broadcast": size[-1:]}[kind], grad=True)
    if has_repeats(parts, shape):
        value = torch.full_like(value, 1.5).detach().requires_grad_(kind == "number")

    def program(T, x, v):
        y = x * 1
        y[built(T, parts)] = 2.5 if kind == "number" else v
        return y

    agree(program, [filled(shape, grad=True), value], gradients=not has_repeats(parts, shape) or kind == "number")


def has_repeats(parts, shape):
    """Whether the index names some element twice."""
    places, error = outcome(lambda: torch.arange(math.prod(shape)).reshape(shape)[built(torch, parts)])
    return error is None and places.unique().numel() != places.numel()


# -- views and in-place sequences ------------------------------------------------------------------------------------

VIEWS = {
    "transpose": lambda x, i: x.transpose(0, -1) if x.dim() else x.view(1),
    "select": lambda x, i: x[i % x.shape[0]] if x.dim() and x.shape[0] else x.unsqueeze(0),
    "slice": lambda x, i: x[i % 2 :] if x.dim() else x.unsqueeze(0),
    "step": lambda x, i: x[..., ::2] if x.dim() else x.unsqueeze(0),
    "flat": lambda x, i: x.view(-1) if x.is_contiguous() else x.unsqueeze(-1),
    "diagonal": lambda x, i: x.diagonal() if x.dim() >= 2 else x.unsqueeze(0),
    "unsqueeze": lambda x, i: x.unsqueeze(0),
    "squeeze": lambda x, i: x.squeeze(),
    "narrow": lambda x, i: x.narrow(0, 0, 1) if x.dim() and x.shape[0] else x.unsqueeze(0),
    "alias": lambda x, i: x.view_as(x),
}
WRITES = {
    "add_": lambda x, y, c: x.add_(c),
    "mul_": lambda x, y, c: x.mul_(c),
    "add_ tensor": lambda x, y, c: x.add_(y.sum() * 0.1),
    "mul_ tensor": lambda x, y, c: x.mul_(y.mean()),
    "copy_": lambda x, y, c: x.copy_(y.sum() * c),
    "zero_": lambda x, y, c: x.zero_(),
    "fill_": lambda x, y, c: x.fill_(c),
    "tanh_": lambda x, y, c: x.tanh_(),
    "iadd": lambda x, y, c: x.__iadd__(y.amax() if y.numel() else c),
    "setitem": lambda x, y, c: x.__setitem__(Ellipsis, x * c + 0.25),
    "setitem first": lambda x, y, c: x.__setitem__(0, y.sum() * 0.1) if x.dim() and x.shape[0] else x.add_(1),
    "masked_fill_": lambda x, y, c: x.masked_fill_(x > c, 0.5),
    "clamp_": lambda x, y, c: x.clamp_(-1, 1),
}
PURE = {
    "sin": lambda x, y: x.sin(),
    "square": lambda x, y: x * x,
    "product": lambda x, y: x * y.sum() * 0.1,
    "exp": lambda x, y: (x * 0.1).exp(),
    "clone": lambda x, y: x.clone(),
    "detach": lambda x, y: x.detach(),
}

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["view", "write", "write", "pure", "no_grad write"]),
        st.integers(0, 99),
        st.integers(0, 99),
        st.integers(0, 99),
        st.sampled_from([0.5, -1.5, 2.0]),
    ),
    min_size=1,
    max_size=8,
)


def run_steps(T, leaf, steps):
    """A program over a growing pool of tensors, many of which share memory."""
    pool = [leaf * 1.0]
    for kind, which, a, b, c in steps:
        x, y = pool[a % len(pool)], pool[b % len(pool)]
        if kind == "view":
            pool.append(list(VIEWS.values())[which % len(VIEWS)](x, which))
        elif kind == "write":
            list(WRITES.values())[which % len(WRITES)](x, y, c)
        elif kind == "no_grad write":
            with T.no_grad():
                x.mul_(c)
        else:
            pool.append(list(PURE.values())[which % len(PURE)](x, y))
    return pool


def finish(T, leaf, pool):
    """What can be seen of the pool, and the leaf's gradient."""
    total = sum((p * (k + 1)).sum() for k, p in enumerate(pool))
    if total.requires_grad:
        total.backward()
    seen = [(p._version, p.requires_grad, p.is_leaf, p._is_view(), tuple(p.stride()), p.is_contiguous()) for p in pool]
    return [p.detach() for p in pool], seen, None if leaf.grad is None else leaf.grad.detach()


@settings(max_examples=600)
@given(hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3), STEPS)
def test_views_and_writes(shape, steps):
    """Values, version counters and gradients of tensors that share memory and are written in place."""

    def program(T, leaf):
        return finish(T, leaf, run_steps(T, leaf, steps))

    leaf = filled(shape, grad=True)
    mine = ours(leaf)
    want, theirs = outcome(program, torch, leaf)
    got, error = outcome(program, chainrule, mine)
    if theirs is not None:
        if error is None:
            # An in-place operation of chainrule's saves its result apart from the memory that it writes.
            assert "modified by an inplace operation" in str(theirs), f"no error; PyTorch's {theirs!r}"
            return
        assert type(error) is type(theirs)
        assert str(error)[:60] == str(theirs)[:60]
        return
    if error is not None:
        raise error
    compare(got, want)
