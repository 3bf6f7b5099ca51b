"""Eager operations on large arrays: kernels are taken, and give what NumPy gives."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import chainrule as T
from chainrule.compiler import eager
from chainrule.compiler.eager import sweep, table
from chainrule.core import large

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.skipif(os.environ.get("CHAINRULE_ENGINE") == "numpy", reason="kernels are switched off")

F = T.nn.functional
N = 70_000
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30, 80.0, -80.0, 200.0, -200.0]


CONVOLUTIONS = {
    "2d": (lambda x, w, b: F.conv2d(x, w, b, padding=1), (4, 8, 40, 30), (16, 8, 3, 3)),
    "2d, strided": (lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=2), (4, 6, 50, 41), (8, 6, 5, 5)),
    "2d, in groups": (lambda x, w, b: F.conv2d(x, w, b, groups=4), (4, 8, 40, 40), (8, 2, 3, 3)),
    "1d": (lambda x, w, b: F.conv1d(x, w, b, padding=2), (4, 8, 2000), (4, 8, 5)),
    "3d": (lambda x, w, b: F.conv3d(x, w, b), (2, 3, 20, 20, 20), (4, 3, 3, 3, 3)),
    "transposed": (lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2), (4, 8, 40, 40), (8, 4, 3, 3)),
}


@pytest.fixture
def kernels():
    """Fresh kernels, in use for the length of a test."""
    mine = eager.kernels()
    before = large.use(mine)
    yield mine
    large.use(before)


def with_numpy(function):
    before = large.use(None)
    try:
        return function()
    finally:
        large.use(before)


def numbers(*shape, seed=0, dtype="f4"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def agree(got, want, dtype, slack=1.0):
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(got, want, rtol=16 * slack * eps, atol=8 * slack * eps)


UNARY = {
    "exp": T.exp, "exp2": T.exp2, "expm1": T.expm1, "log": T.log, "log1p": T.log1p, "log2": T.log2, "log10": T.log10, "tanh": T.tanh,
    "sigmoid": T.sigmoid, "sin": T.sin, "cos": T.cos, "sqrt": T.sqrt, "rsqrt": T.rsqrt, "reciprocal": T.reciprocal, "abs": T.abs,
    "neg": T.neg, "erf": T.erf, "relu": T.relu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu,
    "softplus": F.softplus, "elu": F.elu, "leaky_relu": F.leaky_relu, "hardtanh": F.hardtanh, "square": lambda x: x**2,
    "root": lambda x: x**0.5, "cube": lambda x: x**3, "mish": F.mish, "logsigmoid": F.logsigmoid, "hardswish": F.hardswish,
    "clamp": lambda x: T.clamp(x, -0.5, 0.5), "times": lambda x: x * 2.5, "less": lambda x: 1 - x, "over": lambda x: 3 / x,
}  # fmt: skip


def forward_and_backward(f, arrays, cotangent):
    """The result and the gradients, from a cotangent array or (None) through a sum."""
    given = [T.tensor(a, requires_grad=True) for a in arrays]
    y = f(*given)
    if cotangent is None:
        y.sum().backward()
    else:
        y.backward(T.tensor(cotangent))
    return [y.detach().numpy(), *[x.grad.numpy() for x in given]]


def compared(f, arrays, cotangent, dtype, kernels, least, slack=1.0):
    before = kernels.calls
    got = forward_and_backward(f, arrays, cotangent)
    assert kernels.calls - before >= least
    want = with_numpy(lambda: forward_and_backward(f, arrays, cotangent))
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        agree(a, b, dtype, slack)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", UNARY)
def test_of_one_argument(name, dtype, kernels):
    x = numbers(N, dtype=dtype) * 3
    if name in ("log", "log2", "log10", "sqrt", "rsqrt", "root"):
        x = np.abs(x) + np.asarray(0.01, dtype)
    x = np.where(np.abs(x) < 0.01, np.asarray(0.5, dtype), x)
    compared(UNARY[name], [x], numbers(N, seed=1, dtype=dtype), dtype, kernels, 2, slack=8.0)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", UNARY)
def test_special_numbers(name, dtype, kernels):
    x = np.resize(np.array(SPECIAL, dtype), N)
    if name == "root":  # of less than 0 the root has no slope; NumPy's power -0.5 of -inf is 0
        x = np.abs(x)
    with np.errstate(all="ignore"):
        got = forward_and_backward(UNARY[name], [x], np.ones(N, dtype))
        want = with_numpy(lambda: forward_and_backward(UNARY[name], [x], np.ones(N, dtype)))
    for a, b in zip(got, want, strict=True):
        agree(a, b, dtype, slack=8.0)
    zero = (got[0] == 0) & (want[0] == 0)
    np.testing.assert_array_equal(np.signbit(got[0][zero]), np.signbit(want[0][zero]))


@pytest.mark.parametrize("shapes", [((250, 300), (250, 300)), ((250, 300), (300,)), ((250, 1), (250, 300)), ((2, 150, 300), (150, 1))])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "atan2", "maximum", "pow"])
def test_of_two_arguments(name, shapes, kernels):
    f = {"pow": T.pow, "atan2": T.atan2, "maximum": T.maximum}.get(name) or getattr(T, name)
    arrays = [np.abs(numbers(*s, seed=k)) + np.float32(0.5) for k, s in enumerate(shapes)]
    shape = np.broadcast_shapes(*shapes)
    # Sums over broadcast axes add up in another order.
    same = shapes[0] == shapes[1]
    compared(f, arrays, numbers(*shape, seed=9), "f4", kernels, 1 if same and name == "add" else 2, slack=1.0 if same else 64.0)


ROWS = {
    "softmax": lambda x: T.softmax(x, -1), "softmax of columns": lambda x: T.softmax(x, 0), "log_softmax": lambda x: T.log_softmax(x, 1),
    "layer_norm": lambda x: F.layer_norm(x, (300,)), "logsumexp": lambda x: T.logsumexp(x, 1), "mean": lambda x: x.mean(0),
    "sum of rows": lambda x: x.sum(1), "sum of columns": lambda x: x.sum(0), "var": lambda x: x.var(1),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", ROWS)
def test_of_rows(name, dtype, kernels):
    x = numbers(250, 300, dtype=dtype)
    f = ROWS[name]
    shape = f(T.tensor(x)).shape
    before = kernels.calls
    got = forward_and_backward(f, [x], numbers(*shape, seed=1, dtype=dtype))
    assert kernels.calls > before
    want = with_numpy(lambda: forward_and_backward(f, [x], numbers(*shape, seed=1, dtype=dtype)))
    for a, b in zip(got, want, strict=True):
        agree(a, b, dtype, 64.0)


LOSSES = {
    "mse": F.mse_loss, "smooth l1": F.smooth_l1_loss, "huber": F.huber_loss,
    "bce": lambda x, y: F.binary_cross_entropy(x.sigmoid(), y.sigmoid()),
    "bce with logits": lambda x, y: F.binary_cross_entropy_with_logits(x, y.sigmoid()), "where": lambda x, y: T.where(x > y, x * x, y),
    "l1": F.l1_loss, "sum of mse": lambda x, y: F.mse_loss(x, y, reduction="sum"), "lerp": lambda x, y: T.lerp(x, y, 0.3),
    "addcmul": lambda x, y: T.addcmul(x, x, y, value=0.5), "masked": lambda x, y: x * (y > 0) + y,
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_choices(name, kernels):
    f = LOSSES[name]
    arrays = [numbers(250, 300), numbers(250, 300, seed=1)]
    shape = f(*[T.tensor(a) for a in arrays]).shape
    compared(f, arrays, numbers(*shape, seed=3), "f4", kernels, 2, slack=64.0)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name, kernels):
    f, x, w = CONVOLUTIONS[name]
    arrays = [numbers(*x), numbers(*w, seed=1), numbers(w[1 if name == "transposed" else 0], seed=2)]
    shape = f(*[T.tensor(a) for a in arrays]).shape
    compared(f, arrays, numbers(*shape, seed=3), "f4", kernels, 0 if name == "3d" else 2, slack=256.0)


@pytest.mark.parametrize("rows", [250, 1000])
def test_layer_norm_with_weights(rows, kernels):
    arrays = [numbers(rows, 300), numbers(300, seed=1), numbers(300, seed=2)]
    compared(lambda x, w, b: F.layer_norm(x, (300,), w, b), arrays, numbers(rows, 300, seed=3), "f4", kernels, 2, slack=256.0)


def test_a_cotangent_that_a_sum_has_spread(kernels):
    compared(T.exp, [numbers(N)], None, "f4", kernels, 3)


def test_views_that_are_not_contiguous_are_numpys(kernels):
    x = T.tensor(numbers(300, 200))
    before = kernels.calls
    assert kernels.forward(T.exp.op, [x.T.numpy()], {}) is None
    y = T.exp(x.T)
    assert kernels.calls == before
    agree(y.numpy(), np.exp(x.numpy().T), "f4")
    part = T.exp(x[10:])  # contiguous all the same
    assert kernels.calls == before + 1
    agree(part.numpy(), np.exp(x.numpy()[10:]), "f4")


@pytest.mark.parametrize("dtype", [T.float16, T.bfloat16, T.int64, T.complex64])
def test_other_dtypes(dtype, kernels):
    x = T.ones(N, dtype=dtype)
    y = x * 3
    assert y.dtype is dtype and bool((y == 3).all())


def test_the_first_call_gives_the_bits_of_every_other(kernels):
    x = T.tensor(numbers(N))
    first = T.tanh(x).numpy()
    for _ in range(5):
        np.testing.assert_array_equal(T.tanh(x).numpy().view("i4"), first.view("i4"))


@pytest.mark.parametrize("f", [lambda x: T.exp(x).sum(), lambda x: T.softmax(x.reshape(200, -1), 1)[0, 0], lambda x: x.sum()])
def test_threads_do_not_change_bits(f, kernels):
    x = T.tensor(numbers(200_000))
    was = T.get_num_threads()
    try:
        bits = []
        for n in (1, 2, 3):
            T.set_num_threads(n)
            bits.append(f(x).numpy().tobytes())
    finally:
        T.set_num_threads(was)
    assert len(set(bits)) == 1


def test_small_arrays_stay_with_numpy(kernels):
    x = T.ones(large.SMALL, requires_grad=True)
    (T.exp(x) * x).sum().backward()
    assert kernels.calls == 0 and not kernels.table


def test_numbers_that_vary_share_a_kernel(kernels):
    x = T.ones(N)
    for k in range(20):
        np.testing.assert_array_equal((x * (k + 0.5)).numpy(), np.float32(k + 0.5))
    assert len(kernels.table) == 1 and kernels.calls == 20


def test_kernels_are_bounded(kernels, monkeypatch):
    monkeypatch.setattr(table, "MOST", 3)
    x = T.ones(N)
    for f in (T.exp, T.sin, T.cos, T.tanh, T.sqrt):
        f(x)
    assert len(kernels.table) == 3
    assert sum(kernels.count.values()) == 3
    agree(T.exp(x).numpy(), np.exp(x.numpy()), "f4")


def test_ever_new_attributes_are_left_to_numpy(kernels, monkeypatch):
    monkeypatch.setattr(table, "MOST_OF_ONE", 2)
    x = T.tensor(numbers(N))
    for k in range(6):
        agree(F.leaky_relu(x, 0.1 * k).numpy(), with_numpy(lambda k=k: F.leaky_relu(x, 0.1 * k).numpy()), "f4")
    assert kernels.calls == 2


def test_transforms_are_not_affected(kernels):
    x = T.tensor(numbers(250, 300))
    t = T.tensor(numbers(250, 300, seed=1))
    out, tangent = T.func.jvp(T.sin, (x,), (t,))
    agree(tangent.numpy(), np.cos(x.numpy()) * t.numpy(), "f4")
    agree(T.vmap(T.sin)(x).numpy(), out.numpy(), "f4")
    second = T.func.grad(lambda v: T.func.grad(lambda w: (w**3).sum())(v).sum())(x)
    agree(second.numpy(), 6 * x.numpy(), "f4", 4.0)


def test_create_graph(kernels):
    x = T.tensor(numbers(N), requires_grad=True)
    (g,) = T.autograd.grad(T.sin(x).sum(), x, create_graph=True)
    (h,) = T.autograd.grad(g.sum(), x)
    agree(h.numpy(), -np.sin(x.detach().numpy()), "f4")


def test_an_overwritten_value_is_noticed(kernels):
    x = T.tensor(numbers(N), requires_grad=True)
    y = T.exp(x)
    y.detach().mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_hooks_and_retain_graph(kernels):
    x = T.tensor(numbers(N), requires_grad=True)
    seen = []
    y = T.exp(x)
    y.register_hook(lambda g: seen.append(g) or g * 2)
    z = y.sum()
    z.backward(retain_graph=True)
    once = x.grad.clone()
    z.backward()
    agree(x.grad.numpy(), 2 * once.numpy(), "f4")
    assert len(seen) == 2 and y.grad_fn.name() == "ExpBackward0"
    with pytest.raises(RuntimeError, match="second time"):
        z.backward()


def test_shapes_that_do_not_broadcast(kernels):
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        T.ones(N) + T.ones(N + 1)
    with pytest.raises(IndexError):
        T.softmax(T.ones(N), 3)


def test_what_cannot_be_compiled_says_so(kernels):
    def broken(program):
        raise RuntimeError("no such instruction")

    kernels.build = kernels.build_sweep = broken
    with pytest.warns(RuntimeWarning, match="exp could not be compiled for large arrays"):
        y = T.exp(T.ones(N))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(T.exp(T.ones(N)).numpy(), y.numpy())
    agree(y.numpy(), np.exp(np.ones(N, "f4")), "f4")


def test_threads_at_once(kernels):
    x = T.tensor(numbers(200_000))
    want = np.exp(x.numpy())
    failed = []

    def work():
        for _ in range(20):
            a = T.exp(x).numpy()
            if not np.allclose(a, want, rtol=1e-6):
                failed.append(a)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed and kernels.calls == 80 and len(kernels.table) == 1


@pytest.mark.parametrize("environment", [{"CHAINRULE_ENGINE": "numpy"}, {}])
def test_the_environment_switches_kernels_off(environment):
    code = "import sys, chainrule as T\nT.exp(T.ones(100_000))\nprint('llvmlite' in sys.modules)"
    clean = {k: v for k, v in os.environ.items() if k != "CHAINRULE_ENGINE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**clean, **environment})
    assert done.stdout.strip() == str(not environment)


def test_without_llvmlite():
    code = "import sys\nsys.modules['llvmlite'] = None\nimport chainrule as T\nprint(T.exp(T.zeros(100_000)).sum().item())"
    clean = {k: v for k, v in os.environ.items() if k != "CHAINRULE_ENGINE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean)
    assert done.stdout.strip() == "100000.0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_fork(kernels):
    x = T.tensor(numbers(200_000))
    want = T.exp(x).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        same = np.array_equal(T.exp(x).numpy(), want) and np.allclose(T.sin(x).numpy(), np.sin(x.numpy()), atol=1e-6)
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_spread_gradient_is_written_once(kernels):
    x = T.tensor(numbers(250, 300), requires_grad=True)
    x.sum().backward()
    assert x.grad.is_contiguous() and bool((x.grad == 1).all())
    x.grad.mul_(2)
    assert bool((x.grad == 2).all())


def test_cotangents_of_the_user_are_not_taken(kernels):
    x = T.tensor(numbers(N), requires_grad=True)
    g = T.ones(N)
    (x + 1).backward(g)
    x.grad.mul_(3)
    assert bool((g == 1).all())
    g = T.ones(N)
    y = x * 2
    T.autograd.backward([y, y], [g, g])
    assert bool((g == 1).all()) and bool((x.grad == 7).all())


OPTIMIZERS = {
    "SGD": lambda p: T.optim.SGD(p, lr=0.1), "SGD, momentum": lambda p: T.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "SGD, nesterov": lambda p: T.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, maximize=True),
    "Adam": lambda p: T.optim.Adam(p, lr=0.01), "AdamW": lambda p: T.optim.AdamW(p, lr=0.01, amsgrad=True),
    "RMSprop": lambda p: T.optim.RMSprop(p, lr=0.01, momentum=0.5), "Adagrad": lambda p: T.optim.Adagrad(p, lr=0.01),
    "Adadelta": lambda p: T.optim.Adadelta(p), "NAdam": lambda p: T.optim.NAdam(p, lr=0.01), "Adamax": lambda p: T.optim.Adamax(p),
    "RAdam": lambda p: T.optim.RAdam(p, lr=0.01),
}  # fmt: skip


def trained(make, steps=8):
    p = T.nn.Parameter(T.tensor(numbers(250, 300)))
    small = T.nn.Parameter(T.tensor(numbers(10, seed=1)))
    optimizer = make([p, small])
    schedule = T.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    memory = p.data_ptr()
    for k in range(steps):
        p.grad = T.tensor(numbers(250, 300, seed=10 + k))
        small.grad = T.tensor(numbers(10, seed=10 + k))
        optimizer.step()
        schedule.step()
    assert p.data_ptr() == memory
    state = [v.numpy() for s in optimizer.state.values() for v in s.values()]
    return [p.detach().numpy(), small.detach().numpy(), *state], p._version


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_of_optimizers(name, kernels):
    got, version = trained(OPTIMIZERS[name])
    taken = kernels.calls
    want, same = with_numpy(lambda: trained(OPTIMIZERS[name]))
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        agree(a, b, "f4", 32.0)
    assert version == same
    assert taken >= 7 and sum("step" in key for key in kernels.table) == 1, [k for k in kernels.table if "step" in k]


def test_a_step_whose_arrays_overlap_is_numpys(kernels):
    p = T.nn.Parameter(T.tensor(numbers(N)))
    p.grad = p.detach()
    optimizer = T.optim.SGD([p], lr=0.5)
    want = p.detach().numpy() * np.float32(0.5)
    optimizer.step()
    agree(p.detach().numpy(), want, "f4")
    assert kernels.calls == 0


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_one_kernel_serves_every_shape(dtype, kernels):
    for n in (large.SMALL + 1, 9 * sweep.BLOCK, 9 * sweep.BLOCK + 1, 10 * sweep.BLOCK - 1, 50_021, 299_993):
        for start in (0, 1, 3):
            x = T.tensor(numbers(n + start, dtype=dtype))[start:].requires_grad_()
            y = T.tanh(x)
            agree(y.detach().numpy(), np.tanh(x.detach().numpy()), dtype)
            y.sum().backward()
            agree(x.grad.numpy(), 1 - y.detach().numpy() ** 2, dtype)
    forward = [k for k in kernels.table.values() if k.owner is T.tanh.op]
    assert len(forward) == 1 and not forward[0].exact
    z = T.tanh(T.tensor(numbers(40, 50, 60, dtype=dtype)))
    assert z.shape == (40, 50, 60) and sum(k.owner is T.tanh.op for k in kernels.table.values()) == 1


def test_several_results_of_one_kernel(kernels):
    compared(T.atan2, [numbers(N), numbers(N, seed=1)], numbers(N, seed=2), "f4", kernels, 2)
    backward = [k for k in kernels.table.values() if isinstance(k.owner, tuple) and k.owner[0].name == "atan2"]
    assert len(backward) == 1 and not backward[0].exact


def test_cheap_operations_begin_later(kernels):
    x = T.ones(large.SMALL + 1)
    x + x
    assert kernels.calls == 0
    T.exp(x)
    assert kernels.calls == 1


@pytest.mark.parametrize("start", [0, 3])
def test_results_that_go_past_the_cache(start, kernels):
    n = 3_000_000
    assert 3 * 4 * n > sweep._CACHE
    x, y = numbers(n + start), numbers(n + start, seed=1)
    z = T.tensor(x)[start:] + T.tensor(y)[start:]
    np.testing.assert_array_equal(z.numpy(), x[start:] + y[start:])
    assert kernels.calls == 1


def test_clones_are_copies(kernels):
    x = T.tensor(numbers(250, 300))
    y = x.clone()
    assert kernels.calls == 1
    y.zero_()
    np.testing.assert_array_equal(x.numpy(), numbers(250, 300))
    assert x.T.clone().stride() == x.T.stride()


def test_emptying_the_cache_forgets_kernels(kernels):
    x = T.tensor(numbers(N))
    first = T.tanh(x).numpy()
    T.cpu.empty_cache()
    assert not kernels.table and not kernels.count
    np.testing.assert_array_equal(T.tanh(x).numpy(), first)


@pytest.mark.parametrize("f", [lambda x, y: x + y, lambda x, y: T.atan2(x, y), lambda x, y: T.exp(x)])
def test_arrays_alike_take_the_short_way(f, kernels):
    """From the second call on; with the same bits, on the tape, as inference tensors, and not where arrays are no longer alike."""
    x, y = T.tensor(numbers(300, 300)), T.tensor(numbers(300, 300, seed=1))
    first, before = f(x, y), kernels.calls
    assert len(kernels.ready) == 1
    assert same_bits(first, f(x, y)) and kernels.calls == before + 1
    w = x.clone().requires_grad_()
    f(w, y).backward(y)
    assert w.grad is not None and same_bits(f(w, y).detach(), first)
    with T.inference_mode():
        assert f(x, y).is_inference()
    assert not f(x, y).is_inference() and not f(x, y).requires_grad
    before = kernels.calls
    agree(f(x.T, y.T).numpy(), first.numpy().T, "f4")
    assert kernels.calls == before
    agree(f(x[:1], y).numpy(), with_numpy(lambda: f(x[:1], y)).numpy(), "f4")
    with pytest.raises(RuntimeError, match="must match the size"):
        T.atan2(x, y[:7])
    kernels.forget()
    assert not kernels.ready and same_bits(f(x, y), first)


def same_bits(a, b):
    return a.numpy().tobytes() == b.numpy().tobytes()


def test_a_cotangent_that_is_handed_on_is_no_kernels(kernels):
    """An addition's: no kernel is looked for; each leaf gets a copy of its own, and broadcast arguments their sums."""
    x, y = [T.tensor(numbers(300, 300, seed=k), requires_grad=True) for k in range(2)]
    row = T.tensor(numbers(300, seed=2), requires_grad=True)
    g = T.tensor(numbers(300, 300, seed=3))
    (x + y).backward(g)
    assert not any("backward" in key for key in kernels.table if isinstance(key, tuple))
    assert same_bits(x.grad, g) and same_bits(y.grad, g)
    assert len({t.data_ptr() for t in (x.grad, y.grad, g)}) == 3
    (x + row).backward(g)
    agree(row.grad.numpy(), g.numpy().sum(0), "f4", 64.0)
    agree(x.grad.numpy(), 2 * g.numpy(), "f4")


def test_arrays_that_are_not_aligned(kernels):
    """Parts of a file or a message begin anywhere: kernels refused them with an error instead of reading a copy."""
    good = T.rand(N - N % 1000) + 0.5

    def elsewhere():
        return T.frombuffer(bytearray(1) + bytearray(good.numpy().tobytes()), dtype=T.float32, offset=1)

    odd, rows = elsewhere(), (-1, 1000)
    for f in (T.exp, T.sum, lambda x: x + x, lambda x: T.softmax(x.view(rows), 1), lambda x: F.layer_norm(x.view(rows), (1000,))):
        for _ in range(5):
            agree(f(odd).numpy(), f(good).numpy(), "f4")
    for make in (T.optim.SGD, T.optim.Adam, T.optim.AdamW):
        parameters = [T.nn.Parameter(x) for x in (good.clone(), elsewhere())]
        for p, g in zip(parameters, (good, odd)):
            p.grad, optimizer = g, make([p], lr=0.01)
            for _ in range(4):
                optimizer.step()
        agree(parameters[1].detach().numpy(), parameters[0].detach().numpy(), "f4")
