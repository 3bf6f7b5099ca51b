"""What spec rows do not say of elementwise operations: names of nodes, operators, errors, special points, large arrays."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest

import chainrule as T
from chainrule.ops.compare import choose

F = T.nn.functional
NAN, INF = float("nan"), float("inf")


def leaf(value):
    return T.tensor(value, requires_grad=True)


def gradient(f, *values):
    """The derivatives of ``f`` at numbers."""
    xs = [leaf(v) for v in values]
    return [None if g is None else g.item() for g in T.autograd.grad(f(*xs), xs, allow_unused=True)]


# -- nodes ---------------------------------------------------------------------------------------------------------------

NODES = {
    "Add": (lambda x, y: x + y, lambda x, y: x + 1, lambda x, y: 1 + x, lambda x, y: T.add(x, y, alpha=2)),
    "Sub": (lambda x, y: x - y, lambda x, y: x - 1, lambda x, y: F.tanhshrink(x)),
    "Rsub1": (lambda x, y: 1 - x,),
    "Rsub": (lambda x, y: T.rsub(x, y),),
    "Mul": (lambda x, y: x * y, lambda x, y: 2 * x, lambda x, y: 2 / x),
    "Div": (lambda x, y: x / y, lambda x, y: x / 2, lambda x, y: F.softsign(x)),
    "Div2": (lambda x, y: T.div(x, y, rounding_mode="floor"), lambda x, y: T.div(x, 2, rounding_mode="trunc")),
    "Neg": (lambda x, y: -x,),
    "Pow": (lambda x, y: x**2, lambda x, y: x.square(), lambda x, y: T.float_power(x, 2)),
    "Pow1": (lambda x, y: x**y,),
    "Pow2": (lambda x, y: 2**x,),
    "Remainder": (lambda x, y: x % 2,),
    "Remainder1": (lambda x, y: x % y,),
    "Fmod": (lambda x, y: T.fmod(x, 2),),
    "Fmod1": (lambda x, y: T.fmod(x, y),),
    "Xlogy": (lambda x, y: T.xlogy(x, y),),
    "Xlogy1": (lambda x, y: T.xlogy(2, x),),
    "Xlogy2": (lambda x, y: T.xlogy(x, 2),),
    "Lerp": (lambda x, y: T.lerp(x, y, 0.5),),
    "Lerp1": (lambda x, y: T.lerp(x, y, x),),
    "Clamp": (lambda x, y: x.clamp(y, y),),
    "Clamp1": (lambda x, y: x.clamp(0, 1), lambda x, y: x.clip(min=0)),
    "ClampMin": (lambda x, y: T.clamp_min(x, 0),),
    "ClampMin1": (lambda x, y: T.clamp_min(x, y),),
    "ClampMax": (lambda x, y: T.clamp_max(x, 0),),
    "ClampMax1": (lambda x, y: T.clamp_max(x, y),),
    "Copysign": (lambda x, y: T.copysign(x, y),),
    "Copysign1": (lambda x, y: T.copysign(x, -1),),
    "Round": (lambda x, y: x.round(),),
    "Round1": (lambda x, y: x.round(decimals=1),),
    "Log1P": (lambda x, y: T.log1p(x),),
    "Deg2Rad": (lambda x, y: T.deg2rad(x),),
    "SpecialI0E": (lambda x, y: T.special.i0e(x),),
    "Where": (lambda x, y: T.where(x > 0, x, 1.0),),
    "Abs": (lambda x, y: abs(x), lambda x, y: T.complex(x, y).abs()),
    "Elu": (lambda x, y: F.selu(x),),
    "Celu": (lambda x, y: F.celu(x),),
    "Hardtanh": (lambda x, y: F.relu6(x),),
    "LogSigmoid": (lambda x, y: F.logsigmoid(x),),
    "PreluKernel": (lambda x, y: F.prelu(x, y.reshape(1)),),
    "Select": (lambda x, y: T.complex(x, y).real,),
    "Frexp": (lambda x, y: T.frexp(x).mantissa,),
}


@pytest.mark.parametrize("name", NODES)
def test_node_names(name):
    stem = name.rstrip("012") if name not in ("Log1P", "SpecialI0E", "Deg2Rad") else name
    want = f"{stem}Backward{name[len(stem):] or 0}"
    for program in NODES[name]:
        assert program(leaf(0.4), leaf(0.7)).grad_fn.name() == want


# -- operators -----------------------------------------------------------------------------------------------------------


IN_PLACE = [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow, operator.imod, operator.ifloordiv]


@pytest.mark.parametrize("op", IN_PLACE)
def test_in_place_operators(op):
    x = T.tensor([5.0, 6.0])
    kept, plain = x, T.tensor([5.0, 6.0])
    x = op(x, 2)
    assert x is kept
    assert x.tolist() == getattr(operator, op.__name__[1:])(plain, 2).tolist()


@pytest.mark.parametrize("op", [operator.iand, operator.ior, operator.ixor, operator.ilshift, operator.irshift])
def test_in_place_bit_operators(op):
    x = T.tensor([5, 6])
    kept = x
    x = op(x, 2)
    assert x is kept
    assert x.tolist() == [getattr(operator, {"iand": "and_", "ior": "or_"}.get(op.__name__, op.__name__[1:]))(v, 2) for v in (5, 6)]


def test_reflected_operators():
    x = T.tensor([2.0, 4.0])
    assert (8 / x).tolist() == [4.0, 2.0]
    assert (9 // x).tolist() == [4.0, 2.0]
    assert (9 % x).tolist() == [1.0, 1.0]
    assert (2**x).tolist() == [4.0, 16.0]
    n = T.tensor([1, 3])
    assert (6 & n).tolist() == [0, 2]
    assert (1 << n).tolist() == [2, 8]
    assert (64 >> n).tolist() == [32, 8]
    assert (1 - n).tolist() == [0, -2]


def test_comparison_with_anything():
    x = T.tensor([1.0, 2.0])
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True
    assert x in {x}
    with pytest.raises(TypeError, match="'<' not supported between instances of 'Tensor' and 'str'"):
        x < "a"


def test_out():
    out = T.empty(2)
    assert T.exp(T.tensor([0.0, 1.0]), out=out) is out
    assert out.tolist() == pytest.approx([1.0, math.e], rel=2e-7)
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        T.mul(T.ones(2), 1.5, out=T.ones(2).long())


# -- errors --------------------------------------------------------------------------------------------------------------

B, N, X, Z = T.tensor([True]), T.tensor([1]), T.tensor([0.5]), T.tensor([1j])
ERRORS = [
    (lambda: B - B, RuntimeError, "with two bool tensors is not supported. Use the `^`"),
    (lambda: 1 - B, RuntimeError, "with a bool tensor is not supported. If you are trying to invert a mask"),
    (lambda: -B, RuntimeError, "Negation, the `-` operator, on a bool tensor is not supported."),
    (lambda: +B, RuntimeError, "The `+` operator, on a bool tensor is not supported."),
    (lambda: N**-1, RuntimeError, "Integers to negative integer powers are not allowed."),
    (lambda: N // 0, RuntimeError, "ZeroDivisionError"),
    (lambda: N % 0, RuntimeError, "ZeroDivisionError"),
    (lambda: N.add(1, alpha=1.5), RuntimeError, "For integral input tensors, argument alpha must not be a floating point number."),
    (lambda: X.div(2, rounding_mode="up"), RuntimeError,
     "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found 'up'"),
    (lambda: T.lerp(X, X.double(), 0.5), RuntimeError, "expected dtype float for `end` but got dtype double"),
    (lambda: X.clamp(), RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None"),
    (lambda: N.to(T.uint8).clamp(max=300), RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    (lambda: N + 2**70, OverflowError, "int too big to convert"),
    (lambda: T.where(X, X, X), RuntimeError, "where expected condition to be a boolean tensor, but got a tensor with dtype Float"),
    (lambda: Z < Z, NotImplementedError, "\"lt_cpu\" not implemented for 'ComplexFloat'"),
    (lambda: T.floor(Z), NotImplementedError, "floor is not supported for complex inputs"),
    (lambda: T.sign(Z), NotImplementedError, "Please use torch.sgn instead."),
    (lambda: X & 1, NotImplementedError, "\"bitwise_and_cpu\" not implemented for 'Float'"),
    (lambda: ~X, TypeError, "~ (operator.invert) is only implemented on integer and Boolean-type tensors"),
    (lambda: T.frac(N), NotImplementedError, "\"frac_cpu\" not implemented for 'Long'"),
    (lambda: T.relu(B), RuntimeError, "Boolean inputs not supported for relu"),
    (lambda: F.glu(T.ones(2, 3)), RuntimeError, "Halving dimension must be even, but dimension 1 is size 3"),
    (lambda: F.prelu(T.ones(2, 3), T.ones(2)), RuntimeError, "Found parameter numbers = 2 and channel size = 3."),
    (lambda: F.gelu(X, approximate="erf"), RuntimeError, "approximate argument must be either none or tanh."),
    (lambda: T.complex(X, X.double()), RuntimeError, "Expected object of scalar type Float but got scalar type Double for second argument"),
    (lambda: X.imag, RuntimeError, "imag is not implemented for tensors with non-complex dtypes."),
    (lambda: T.view_as_complex(T.ones(3)), RuntimeError, "Tensor must have a last dimension of size 2"),
    (lambda: T.isclose(X, X.double()), RuntimeError, "Float did not match Double"),
    (lambda: T.heaviside(X, N), RuntimeError, "heaviside is not yet implemented for tensors with different dtypes."),
    (lambda: T.addcdiv(N, N, N), RuntimeError, "Integer division with addcdiv is no longer supported"),
    (lambda: T.polygamma(-1, X), RuntimeError, "polygamma(n, x) does not support negative n."),
    (lambda: T.ones(2) + T.ones(3), RuntimeError,
     "The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0"),
    (lambda: T.exp(2.0), TypeError, "exp(): argument 'input' (position 1) must be Tensor, not float"),
    (lambda: T.add(X, None), TypeError, "add(): argument 'other' (position 2) must be Tensor, not NoneType"),
    (lambda: T.pow(2, 3), TypeError, "must be Tensor, not int"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case):
    program, kind, words = ERRORS[case]
    with pytest.raises(kind) as caught:
        program()
    assert type(caught.value) is kind
    assert words in str(caught.value)


# -- special points ------------------------------------------------------------------------------------------------------


def test_where_keeps_the_other_side_out():
    x, y = leaf([1.0, NAN]), leaf([INF, 2.0])
    a, b = T.autograd.grad(T.where(T.tensor([True, False]), x, y).sum(), (x, y))
    assert a.tolist() == [1.0, 0.0] and b.tolist() == [0.0, 1.0]


def test_powers_at_zero():
    assert gradient(lambda x: x**0, 0.0) == [0.0]
    assert gradient(lambda x, y: x**y, 0.0, 0.0) == [0.0, 0.0]
    assert gradient(lambda x, y: x**y, 0.0, 1.0) == [1.0, 0.0]
    x = leaf(0.0)
    (slope,) = T.autograd.grad(x**2, x, create_graph=True)
    assert T.autograd.grad(slope, x)[0].item() == 2.0


def test_ties_and_bounds():
    assert gradient(T.maximum, 1.0, 1.0) == [0.5, 0.5]
    assert gradient(T.fmax, 1.0, 1.0) == [1.0, 0.0]
    assert gradient(lambda x: x.clamp(0, 1), 1.0) == [1.0]
    assert gradient(F.hardtanh, 1.0) == [0.0]
    assert gradient(T.relu, 0.0) == [0.0]
    assert gradient(T.abs, 0.0) == [0.0]
    assert gradient(T.sqrt, 0.0) == [INF]


def test_where_pytorch_gives_nan():
    assert gradient(T.hypot, 0.0, 0.0) == [0.0, 0.0]
    assert gradient(T.xlogy, 0.0, 0.0) == [0.0, 0.0]
    y = leaf(1.5)
    (slope,) = T.autograd.grad(0**y, y, create_graph=True)
    assert T.autograd.grad(slope, y)[0].item() == 0.0


def test_sinc_has_a_slope_near_zero():
    """There cos(πx) and sinc(x) cancel: PyTorch is off by a factor of 3 at 1e-4 in float32."""
    for x in (1e-6, 1e-4, 1e-2):
        assert gradient(T.sinc, x)[0] == pytest.approx(-(math.pi**2) * x / 3, rel=2e-4)


def test_gradient_of_an_infinite_cotangent():
    """The derivative of what is piecewise constant is 0, not 0 times infinity."""
    x = leaf(1.5)
    assert T.autograd.grad(T.floor(x), x, T.tensor(INF))[0].item() == 0.0


# -- arrays that are computed otherwise than scalars ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_choose_is_where(dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(3000).astype(dtype)
    x[:4] = [NAN, INF, -INF, -0.0]
    y = x[::-1].copy()
    for mask in (rng.random(3000) < 0.5, rng.random((2, 1500)) < 0.5):
        a, b = x.reshape(mask.shape), y.reshape(mask.shape)
        for given in ((a, b), (a, 0), (0, b), (a, 2.5), (-1, b), (a[:, None] if mask.ndim == 1 else a, 0.0)):
            got, want = choose(mask, *given), np.where(mask, *given)
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got.view(f"i{got.itemsize}"), want.view(f"i{got.itemsize}"))


MANY = ("sigmoid", "exp", "erf", "erfc", "lgamma", "digamma", "sign", "relu", "nan_to_num")
LAYERS = ("gelu", "silu", "mish", "softplus", "elu", "celu", "hardswish", "logsigmoid", "leaky_relu", "hardshrink", "softshrink")


@pytest.mark.parametrize("name", [*MANY, *LAYERS])
def test_blocks_are_seamless(name):
    f = getattr(T, name, None) or getattr(F, name)
    values = np.random.default_rng(1).standard_normal(70000) * 3
    x = T.tensor(values)
    whole = f(x).numpy()
    pieces = np.concatenate([f(T.tensor(values[k : k + 1000])).numpy() for k in range(0, 70000, 1000)])
    np.testing.assert_allclose(whole, pieces, rtol=1e-14, atol=1e-15)  # a large array has compiled kernels
    across = f(T.tensor(values.reshape(280, 250).T)).numpy()
    np.testing.assert_allclose(across, whole.reshape(280, 250).T, rtol=1e-14, atol=1e-15)
    for v in values[:5]:
        np.testing.assert_allclose(f(T.tensor(v)).item(), f(T.tensor([v])).item(), rtol=4e-15, atol=1e-15)


# -- special functions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "low", "high"), [("erf", -6, 6), ("erfc", -6, 26), ("lgamma", 0.05, 200)])
def test_against_math(name, low, high):
    """Arrays against Python's scalars: a few units in the last place of float64, one of float32."""
    x = np.random.default_rng(2).uniform(low, high, 4000)
    exact = np.array([getattr(math, name)(v) for v in x])
    near_root = 1e-15 if name == "lgamma" else 0
    np.testing.assert_allclose(getattr(T, name)(T.tensor(x)).numpy(), exact, rtol=3e-15, atol=near_root)
    x32 = x.astype("f4")
    exact = np.array([getattr(math, name)(v) for v in x32])
    np.testing.assert_allclose(getattr(T, name)(T.tensor(x32)).numpy(), exact, rtol=3e-7, atol=1e-38)


def test_inverse_and_functional_equations():
    y = T.linspace(-0.999, 0.999, 999, dtype=T.float64)
    np.testing.assert_allclose(T.erf(T.erfinv(y)).numpy(), y.numpy(), rtol=2e-15, atol=1e-16)
    p = T.logspace(-12, -0.1, 300, dtype=T.float64)
    np.testing.assert_allclose(T.special.ndtr(T.special.ndtri(p)).numpy(), p.numpy(), rtol=1e-13)
    x = T.linspace(0.1, 40, 500, dtype=T.float64)
    np.testing.assert_allclose((T.digamma(x + 1) - T.digamma(x)).numpy(), (1 / x).numpy(), rtol=1e-12, atol=2e-15)
    for n in (1, 2, 5):
        step = T.polygamma(n, x) - T.polygamma(n, x + 1)
        np.testing.assert_allclose(step.numpy(), ((-1) ** (n + 1) * math.factorial(n) / x ** (n + 1)).numpy(), rtol=1e-9)
    np.testing.assert_allclose(T.i0(x).numpy(), np.i0(x.numpy()), rtol=2e-14)


def test_known_values():
    one = T.tensor(1.0, dtype=T.float64)
    assert T.polygamma(1, one).item() == pytest.approx(math.pi**2 / 6, rel=1e-15)
    assert T.special.zeta(T.tensor(3.0, dtype=T.float64), 1.0).item() == pytest.approx(1.2020569031595942, rel=1e-15)
    assert T.digamma(one).item() == pytest.approx(-0.5772156649015329, rel=1e-15)
    assert T.special.log_ndtr(T.tensor(-40.0, dtype=T.float64)).item() == pytest.approx(-804.6084420137538, rel=1e-15)
    assert T.special.erfcx(T.tensor(1e10, dtype=T.float64)).item() == pytest.approx(1e-10 / math.sqrt(math.pi), rel=1e-15)
    assert T.special.i1e(T.tensor(0.5, dtype=T.float64)).item() == pytest.approx(0.15642080318487173, rel=1e-15)


# -- dtypes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [T.float16, T.bfloat16])
@pytest.mark.parametrize("name", ["exp", "log1p", "sigmoid", "tanh", "sqrt", "erf", "digamma", "sinc"])
def test_half_precision_is_rounded_once(name, kind):
    x = T.rand(200, generator=T.Generator().manual_seed(3)).to(kind)
    got = getattr(T, name)(x)
    assert got.dtype is kind
    assert T.equal(got, getattr(T, name)(x.float()).to(kind))


def test_in_place_activations():
    for name in ("relu", "elu", "selu", "celu", "leaky_relu", "hardtanh"):
        f, g = getattr(F, name), getattr(F, name + "_")
        x = leaf([-2.0, 0.5, 3.0])
        y = x * 1
        assert g(y) is y
        assert T.equal(y, f(x))
        z = x * 1
        assert f(z, inplace=True) is z
        (a,) = T.autograd.grad(z.sum(), x)
        (b,) = T.autograd.grad(f(x).sum(), x)
        assert T.equal(a, b)


def test_parts_are_views():
    z = T.tensor([1 + 2j, 3 - 4j])
    z.real[0] = 7
    z.imag = T.tensor([0.0, 1.0])
    assert z.tolist() == [7 + 0j, 3 + 1j]
    assert T.view_as_complex(T.view_as_real(z)).tolist() == z.tolist()
    base = leaf([1 + 1j])
    w = base * 1
    w.real.mul_(3)
    (g,) = T.autograd.grad(T.view_as_real(w).sum(), base)
    assert g.tolist() == [3 + 1j]


# -- updates in place ----------------------------------------------------------------------------------------------------


def test_updates_write_the_memory():
    array = np.array([1.0, 2.0])
    x = T.from_numpy(array)
    x.add_(1).mul_(T.tensor([2.0, 3.0], dtype=T.float64)).sub_(T.tensor(1.0, dtype=T.float64), alpha=0.5).div_(0.5)
    assert array.tolist() == [7.0, 17.0]
    x[1:] += x[:1]
    assert array.tolist() == [7.0, 24.0]


def test_updates_of_parameters():
    w = leaf([1.0, 2.0])
    (w * w).sum().backward()
    with T.no_grad():
        w -= 0.5 * w.grad
        w.grad.mul_(0)
    assert w.tolist() == [0.0, 0.0] and w.is_leaf and w.requires_grad
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation."):
        w += 1


def test_updates_are_recorded():
    x, y = leaf([1.0, 2.0]), T.ones(2)
    y *= x
    y -= 1
    assert y.grad_fn.name() == "SubBackward0"
    assert T.autograd.grad((y * y).sum(), x)[0].tolist() == [0.0, 2.0]


def test_updates_spoil_what_was_saved():
    x = leaf([1.0, 2.0])
    y = x.exp()
    with T.no_grad():
        y.mul_(2)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation: \[torch.FloatTensor \[2\]\].*at version 1; expected"):
        y.sum().backward()


def test_updates_refuse():
    x = T.ones(2)
    with pytest.raises(RuntimeError, match=r"output with shape \[2\] doesn't match the broadcast shape \[3, 2\]"):
        x += T.ones(3, 2)
    with pytest.raises(RuntimeError, match=r"The size of tensor a \(2\) must match the size of tensor b \(3\)"):
        x.mul_(T.ones(3))
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        T.ones(2).long().mul_(1.5)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single memory location"):
        T.ones(1).expand(3).add_(1)


def test_the_gradient_of_a_number_s_remainder() -> None:
    x = T.tensor([2.0, -3.0, 0.5], requires_grad=True)
    (7 % x).sum().backward()
    assert x.grad.tolist() == [-3.0, 3.0, -14.0]
    y = T.tensor([2, -3])
    assert (7 % y).tolist() == [1, -2]
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        7 % T.tensor([0, 1])
