"""The dtype, device, size and promotion floor, expression by expression, against real PyTorch."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import random
import types
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from chainrule.core import device, dtype, info, promotion, size  # noqa: E402

ours = types.SimpleNamespace(
    **{name: getattr(dtype, name) for name in dtype.__all__},
    **{name: getattr(device, name) for name in device.__all__},
    finfo=info.finfo,
    iinfo=info.iinfo,
    Size=size.Size,
    broadcast_shapes=size.broadcast_shapes,
    promote_types=promotion.promote_types,
    can_cast=promotion.can_cast,
)
NAMES = [d.name for d in dtype.DTYPES]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    for namespace in (torch, ours):
        namespace.set_default_dtype(namespace.float32)
        namespace.set_default_device(None)


def outcome(run, *arguments):
    try:
        return repr(run(*arguments))
    except Exception as error:
        return type(error).__name__, str(error)


def same(expression):
    def run(namespace):
        return outcome(eval, expression, {"T": namespace, "np": np, "copy": copy, "pickle": pickle})

    assert run(ours) == run(torch), expression


ATTRIBUTES = ("itemsize", "is_floating_point", "is_complex", "is_signed", "abbr", "to_real()", "to_complex()", "__reduce__()")


@pytest.mark.parametrize("name", NAMES)
def test_dtype_attributes(name):
    for attribute in ATTRIBUTES:
        same(f"T.{name}.{attribute}")
    same(f"T.{name}")
    same(f"copy.deepcopy([T.{name}])[0] is T.{name}")
    assert f"torch.{getattr(ours, name).scalar_name}Tensor" == torch.zeros(1, dtype=getattr(torch, name)).type()


@pytest.mark.parametrize("name", NAMES)
def test_cpp_names(name):
    other = "float32" if name == "float64" else "float64"
    with pytest.raises(RuntimeError) as error:
        torch.zeros(2, 2, dtype=getattr(torch, other)) @ torch.zeros(2, 2, dtype=getattr(torch, name))
    assert str(error.value).endswith(f"!= {getattr(ours, name).cpp_name}")


@pytest.mark.parametrize(
    "expression",
    [
        "T.dtype",
        "T.dtype()",
        "type('x', (T.dtype,), {})",
        "type(T.float32).__name__",
        "setattr(T.float32, 'foo', 1)",
        "T.float is T.float32",
        "T.double",
        "T.half",
        "T.long",
        "T.int",
        "T.short",
        "T.cfloat",
        "T.cdouble",
        "T.chalf",
        "T.bool",
        "T.float32 == 'float32'",
        "T.promote_types('a', T.int8)",
        "T.can_cast(T.int8, 'a')",
        "T.promote_types(float, int)",
        "T.get_default_dtype()",
        "T.set_default_dtype(T.int32)",
        "T.set_default_dtype(T.complex64)",
        "T.set_default_dtype('x')",
        "T.set_default_dtype(float)",
        "T.set_default_dtype(T.float8_e5m2)",
        "(T.set_default_dtype(T.bfloat16), T.get_default_dtype())",
        "T.Size",
        "T.device",
    ],
)
def test_dtype_expressions(expression):
    same(expression)


def test_promote_types_and_can_cast_of_every_pair():
    for a, b in itertools.product(NAMES, NAMES):
        same(f"T.promote_types(T.{a}, T.{b})")
        same(f"T.can_cast(T.{a}, T.{b})")


@pytest.mark.parametrize("default", ["float32", "float64", "bfloat16", "float16"])
def test_result_type_of_every_pair_and_category(default):
    for namespace in (torch, ours):
        namespace.set_default_dtype(getattr(namespace, default))
    numbers = (True, 1, 1.0, 1j)
    tensors = {(name, zero): torch.empty(() if zero else (2,), dtype=getattr(torch, name)) for name in NAMES for zero in (False, True)}

    def item(operand):
        return (getattr(ours, operand[0]), operand[1]) if isinstance(operand, tuple) else type(operand)

    operands = [*tensors, *numbers]
    for a, b in itertools.product(operands, operands):
        theirs = outcome(torch.result_type, tensors.get(a, a), tensors.get(b, b))
        assert outcome(promotion.result_dtype, [item(a), item(b)]) == theirs, (default, a, b)
    for (name, zero), number in itertools.product(tensors, numbers):
        theirs = outcome(torch.result_type, tensors[name, zero], number)
        assert outcome(promotion.scalar_result, getattr(ours, name), promotion.scalar_category(number)) == theirs, (name, number)
    # torch.tensor refuses complex numbers under a bfloat16 default; its promotion does not.
    for number in numbers[: 3 if default == "bfloat16" else 4]:
        assert repr(promotion.scalar_dtype(number)) == repr(torch.tensor(number).dtype)


DEVICE_ARGUMENTS = [
    "'cpu'",
    "'cpu:0'",
    "'cuda'",
    "'cuda:1'",
    "'meta'",
    "'mps'",
    "'xpu:3'",
    "'foo'",
    "'cuda:'",
    "'cuda:01'",
    "'cuda:-1'",
    "'CPU'",
    "''",
    "'cuda:x'",
    "'cuda:1:2'",
    "':0'",
    "0",
    "-1",
    "'cuda', 1",
    "'cuda:1', 1",
    "'cpu', -1",
    "",
    "None",
    "1.5",
    "T.device('cpu')",
    "type='cuda', index=2",
    "type='cuda'",
    "'cpu', None",
    "'cuda:1', None",
    "type='cuda', index=None",
    "'cuda', 'x'",
    "'a', 'b', 'c'",
    "'cuda', 1.5",
    "T.device('cpu'), 1",
    "'cpu', True",
    "True",
    "b'cpu'",
    "'cpu', foo=1",
    "'cpu '",
    "'cpu: 1'",
    "'cpu:+1'",
    "'cpu:99999999999'",
    "device='cpu'",
    "'a b'",
    "type='cpu:1'",
    "'privateuseone:0'",
]


@pytest.mark.parametrize("arguments", DEVICE_ARGUMENTS)
def test_device_constructor(arguments):
    same(f"T.device({arguments})")
    same(f"str(T.device({arguments}))")
    same(f"(lambda d: (d.type, d.index))(T.device({arguments}))")


@pytest.mark.parametrize(
    "expression",
    [
        "T.device('cpu') == 'cpu'",
        "T.device('cpu') == T.device('cpu:0')",
        "T.device('cuda', 1) == T.device('cuda:1')",
        "hash(T.device('cpu')) == hash(T.device('cpu'))",
        "T.device('cpu') < T.device('cpu')",
        "T.device('cuda:1').__reduce__()[1]",
        "T.device('cuda').__reduce__()[1]",
        "copy.deepcopy(T.device('cuda:1'))",
        "setattr(T.device('cpu'), 'type', 'x')",
        "type('x', (T.device,), {})",
        "T.get_default_device()",
        "(T.set_default_device('meta'), T.get_default_device())",
        "(T.set_default_device('cpu:0'), T.get_default_device())",
        "T.set_default_device('foo')",
        "T.set_default_device(1.5)",
        "(T.set_default_device('cuda'), T.get_default_device())",
        "T.set_default_device(0)",
        *(f"T.{name}" for name in device.__all__ if name not in ("device", "layout", "memory_format") and "default" not in name),
        "copy.copy(T.channels_last) is T.channels_last",
        "T.layout()",
        "T.memory_format()",
        "T.layout",
    ],
)
def test_device_expressions(expression):
    same(expression)


def test_device_contexts_nest_like_torch():
    for namespace in (torch, ours):
        seen = []
        with namespace.device("meta") as outer:
            with namespace.device("cpu"):
                seen.append(namespace.get_default_device().type)
            seen.append(namespace.get_default_device().type)
        seen.append(namespace.get_default_device().type)
        namespace.set_default_device("meta")
        with namespace.device("cpu"):
            seen.append(namespace.get_default_device().type)
        seen.append(namespace.get_default_device().type)
        assert (outer.type, seen) == ("meta", ["cpu", "meta", "cpu", "cpu", "meta"])


@pytest.mark.parametrize("where", ["cpu", "cpu:0", "meta", "meta:2", "cuda", "cuda:1", "xpu", "mtia", "foo", "mps", "xla"])
def test_usable_devices(where):
    def theirs():
        return torch.tensor([1.0], device=where).device

    assert outcome(device.tensor_device, where) == outcome(theirs)


SIZES = [
    "T.Size()",
    "T.Size([1, 2])",
    "T.Size((1,))",
    "T.Size([1.5])",
    "T.Size(['a'])",
    "T.Size(3)",
    "T.Size([True])",
    "T.Size([np.int64(3)])",
    "T.Size([-1])",
    "T.Size([2**70])",
    "T.Size([-2**70])",
    "T.Size([None])",
    "T.Size([1, 2], [3])",
    "T.Size(x=1)",
    "T.Size('ab')",
    "T.Size(range(3))",
    "T.Size({1: 2})",
    "S + (1,)",
    "(1,) + S",
    "S + S",
    "S + [1]",
    "S * 2",
    "2 * S",
    "S[:1]",
    "S[::-1]",
    "S[0]",
    "S[-1]",
    "S[5]",
    "S + ('a',)",
    "('a',) + S",
    "S * 'a'",
    "S + 1",
    "S * 1.5",
    "S.numel()",
    "T.Size().numel()",
    "T.Size([0, 3]).numel()",
    "S == (2, 3)",
    "S == [2, 3]",
    "hash(S) == hash((2, 3))",
    "S.__reduce__()[1]",
    "copy.deepcopy(S)",
    "S.index(3)",
    "S.count(3)",
    "str(S)",
    "S[np.int64(1)]",
    "S['x']",
    "S[1.5]",
    "T.Size.numel(S)",
    "type('x', (T.Size,), {})",
    "type(S[1:]).__name__",
    "[*S]",
    "{S: 1}[(2, 3)]",
    "S < (2, 4)",
    "S * 0",
    "S * -1",
]


@pytest.mark.parametrize("expression", SIZES)
def test_size(expression):
    same(expression.replace("S", "T.Size([2, 3])") if "T.Size" not in expression else expression.replace("(S)", "(T.Size([2, 3]))"))


@pytest.mark.parametrize(
    "arguments",
    [
        "(2, 3), (3,)",
        "(2, 3), (4,)",
        "",
        "3, (2, 1)",
        "(2, -1)",
        "(0,), (1,)",
        "(0,), (2,)",
        "(-2,), (1,)",
        "(2, 3), (5, 2, 4), (9,)",
        "[2], (2,)",
        "1.5",
        "-1",
        "(2, 3), (4, 3)",
        "T.Size([2, 3])",
        "(1, 1), (3, 1), (1, 4)",
    ],
)
def test_broadcast_shapes(arguments):
    same(f"T.broadcast_shapes({arguments})")


def shapes(rng, count=1500, ndim=4, lengths=(0, 1, 1, 2, 3)):
    for _ in range(count):
        yield tuple(rng.choice(lengths) for _ in range(rng.randint(0, ndim)))


def shape_after(run, *arguments):
    return tuple(run(*arguments).shape)


def nothing_after(run, *arguments):
    run(*arguments)


def test_broadcasting_of_operators():
    rng = random.Random(0)
    for a, b in zip(shapes(rng), shapes(rng), strict=True):
        x, y = torch.empty(a), torch.empty(b)
        assert outcome(size.broadcast_pair, a, b) == outcome(shape_after, torch.add, x, y), (a, b)
        assert outcome(size.check_inplace_shape, a, b) == outcome(nothing_after, torch.Tensor.add_, x, y), (a, b)
        wanted = tuple(rng.choice((-1, 0, 1, 2, 3)) for _ in range(rng.randint(0, 5)))
        if a:
            assert outcome(size.expand_shape, a, wanted) == outcome(shape_after, torch.Tensor.expand, x, wanted), (a, wanted)


def test_expanding_refuses_negative_lengths():
    # PyTorch stumbles over these ("numel: integer multiplication overflow", or a shape with -1); here they are named.
    for shape, wanted in (((), (-1,)), ((), (-1, 0)), ((1,), (-2,)), ((3,), (-2, 3))):
        with pytest.raises(RuntimeError, match="isn't allowed"):
            size.expand_shape(shape, wanted)


def test_dimensions():
    for ndim in range(4):
        x = torch.empty((2,) * ndim)
        for dim in range(-6, 6):
            assert outcome(nothing_after, size.normalize_dim, dim, ndim) == outcome(nothing_after, torch.cumsum, x, dim)
        for dims in itertools.product(range(-3, 4), repeat=2):
            assert outcome(nothing_after, size.normalize_dims, dims, ndim) == outcome(nothing_after, torch.sum, x, dims), (dims, ndim)
            assert {size.normalize_dim(dim, ndim) for dim in range(-ndim, ndim)} == set(range(ndim))
    with pytest.raises(IndexError) as theirs:
        torch.empty(()).size(0)
    assert outcome(size.normalize_dim, 0, 0, False) == ("IndexError", str(theirs.value))


def strided(rng):
    """A random strided view, as torch makes it."""
    x = torch.empty(tuple(rng.choice((0, 1, 2, 3, 4)) for _ in range(rng.randint(0, 4))))
    for _ in range(rng.randint(0, 3)):
        if x.ndim:
            dim = rng.randrange(x.ndim)
            kind = rng.randrange(5)
            if kind == 0:
                x = x.transpose(0, dim)
            elif kind == 1:
                x = x.narrow(dim, 0, max(x.shape[dim] - 1, 0))
            elif kind == 2:
                x = x.unsqueeze(dim)
            elif kind == 3:
                x = x.expand(2, *x.shape)
            else:
                x = x[(slice(None),) * dim + (slice(None, None, 2),)]
    return x


def test_views_and_contiguity():
    rng = random.Random(1)
    for _ in range(4000):
        x = strided(rng)
        shape, strides = tuple(x.shape), x.stride()
        assert size.contiguous_strides(shape) == torch.empty(shape).stride()
        assert size.is_contiguous(shape, strides) == x.is_contiguous(), (shape, strides)
        assert size.is_channels_last(shape, strides) == x.is_contiguous(memory_format=torch.channels_last), (shape, strides)
        assert size.is_channels_last_3d(shape, strides) == x.is_contiguous(memory_format=torch.channels_last_3d), (shape, strides)
        wanted = tuple(rng.choice((-1, -1, 0, 1, 1, 2, 3, 4, 6, 8, 12)) for _ in range(rng.randint(0, 4)))
        if rng.random() < 0.5:
            wanted = factors(rng, x.numel())

        assert outcome(our_view, shape, strides, wanted) == outcome(their_view, x, wanted), (shape, strides, wanted)


def our_view(shape, strides, wanted):
    target = size.infer_view_size(wanted, math.prod(shape))
    found = size.compute_view_strides(shape, strides, target)
    if found is None:
        raise size.view_error()
    return target, found


def their_view(x, wanted):
    view = x.view(wanted)
    return tuple(view.shape), view.stride()


def factors(rng, numel):
    """A random shape of this many elements, so that most views get as far as the strides."""
    result = [1] * rng.randint(0, 2)
    for prime in (2, 3):
        while numel and numel % prime == 0:
            numel //= prime
            result.append(prime)
    rng.shuffle(result)
    return (*result, numel)


@pytest.mark.parametrize("sizes", ["(-2, 3)", "(1, -5)", "(-1, -1)", "(-1, -2)", "(-1, 4)", "(0, -1)", "()", "(-1, 0)"])
def test_view_size_errors(sizes):
    wanted = eval(sizes)
    for shape in ((2, 3), (0, 3), ()):
        x = torch.empty(shape)
        assert outcome(size.infer_view_size, wanted, x.numel()) == outcome(shape_after, x.view, wanted), (shape, sizes)


def test_channels_last_strides():
    for shape in itertools.product((0, 1, 2, 3), repeat=4):
        assert size.channels_last_strides(shape) == torch.empty(shape, memory_format=torch.channels_last).stride()
        deep = (*shape, 2)
        assert size.channels_last_3d_strides(deep) == torch.empty(deep, memory_format=torch.channels_last_3d).stride()
    theirs = outcome(lambda: torch.empty((2, 3), memory_format=torch.channels_last))
    assert outcome(lambda: size.channels_last_strides((2, 3))) == theirs
    assert outcome(lambda: size.check_sizes((2, -3))) == outcome(lambda: torch.empty(2, -3))


@pytest.mark.parametrize("name", NAMES)
def test_finfo_and_iinfo(name):
    for kind, attributes in (("finfo", ("eps", "resolution", "smallest_normal", "tiny")), ("iinfo", ())):
        same(f"T.{kind}(T.{name})")
        for attribute in ("bits", "dtype", "max", "min", *attributes):
            same(f"T.{kind}(T.{name}).{attribute}")


@pytest.mark.parametrize(
    "expression",
    [
        "T.finfo()",
        "T.iinfo()",
        "T.finfo('a')",
        "T.finfo(float)",
        "T.iinfo(int)",
        "T.iinfo('a')",
        "T.finfo(None)",
        "T.iinfo(None)",
        "T.finfo(T.float32) == T.finfo(T.float32)",
        "T.finfo(T.float32) == T.finfo(T.float64)",
        "T.finfo(type=T.float16)",
        "hash(T.finfo(T.float32))",
        "setattr(T.finfo(T.float32), 'eps', 1)",
        "pickle.dumps(T.finfo(T.float32))",
        "T.finfo",
        "T.iinfo",
        "T.finfo(T.complex64) == T.finfo(T.float32)",
        "T.iinfo(T.int8) != T.iinfo(T.int16)",
    ],
)
def test_info_expressions(expression):
    same(expression)


def test_numpy_dtypes_that_have_no_tensor():
    for array in (np.array(["a"]), np.array([1], dtype=">f4"), np.array([object()]), np.array([1], dtype="M8[s]")):
        assert outcome(dtype.of, array.dtype) == outcome(torch.from_numpy, array)
