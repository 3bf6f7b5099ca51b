"""The random generator against numbers recorded from PyTorch, and its own bookkeeping."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from chainrule.core import dtype, random_integers, rejection, sampling
from chainrule.core.device import cpu
from chainrule.core.generator import BLOCK, Generator, _twister, default_generator

RECORD = json.loads((Path(__file__).parents[1] / "recorded" / "generator.json").read_text())
DTYPES = {d.name: d for d in dtype.DTYPES}
FORMULAS = ("uniform", "normal", "log_normal", "exponential", "cauchy", "geometric", "bernoulli")
INTEGERS = ("random", "random_from", "randint")
# What no rounding may change.
EXACT = {"uniform", "geometric", "bernoulli", "bernoulli_of", "multinomial", "poisson", "binomial", "randperm", *INTEGERS}


def draw(call, shape, name, arguments, g):
    """One draw as make_generator.py describes it, made by chainrule."""
    d = DTYPES[name]
    if call in FORMULAS:
        return getattr(sampling, call)(g, tuple(shape), d, **arguments)
    if call in INTEGERS:
        return getattr(random_integers, call)(g, tuple(shape), d, **arguments)
    if call == "randperm":
        return random_integers.randperm(g, shape[0], d)
    arguments = {k: np.array(v, d.np) if isinstance(v, list) else v for k, v in arguments.items()}
    if call == "normal_of":
        return sampling.normal_of(g, **arguments, d=d)
    return getattr(sampling if hasattr(sampling, call) else rejection, call)(g, **arguments)


def ulps(a, b, at_least=0.0):
    """How many units in the last place `a` and `b` are apart, where the place is that of the greater, or of `at_least`."""
    kind = a.real.dtype if a.dtype.kind == "c" else a.dtype
    limits = sampling.finfo(dtype.of(kind))
    a, b = (x.reshape(-1).view(kind).astype(np.float64) for x in (a, b))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.maximum(np.abs(a), np.abs(b)), max(at_least, limits.tiny))
        apart = np.abs(a - b) / (np.exp2(np.floor(np.log2(size))) * limits.eps)
    return float(np.where(same, 0.0, apart).max(initial=0.0))


def assert_close(call, arguments, got, expected):
    assert got.dtype == expected.dtype and got.shape == expected.shape
    if call in EXACT:
        np.testing.assert_array_equal(got, expected)
        return
    # Where a mean is added or a tangent is near its zero, the last place that counts is that of what was added.
    terms = [abs(np.asarray(arguments.get(name, 0.0), np.float64)).max() for name in ("mean", "median")]
    assert ulps(got, expected, at_least=max(terms)) <= (16 if call == "log_normal" else 6)  # exp multiplies what its argument lacks


def as_array(values, name):
    d = DTYPES[name]
    if not d.is_complex:
        return np.array(values).astype(d.np)
    return np.array(values, d.to_real().np).view(d.np)


def kept(array):
    """The part of an array that make_generator.py keeps."""
    flat = array.reshape(-1)
    if array.dtype.kind == "c":
        flat = flat.view(array.real.dtype)
    flat = flat if flat.size <= 120 else np.concatenate((flat[:5], flat[-40:]))
    return flat.view(array.dtype) if array.dtype.kind == "c" else flat


@pytest.mark.parametrize("case", RECORD, ids=lambda case: f"{case['seed']}-{case['draws'][0][0]}-{case['draws'][0][2]}")
def test_the_numbers_are_pytorch_s(case):
    g = Generator().manual_seed(case["seed"])
    for (call, shape, name, arguments), result in zip(case["draws"], case["results"], strict=True):
        got = draw(call, shape, name, arguments, g)
        assert got.flags.c_contiguous
        if call not in ("multinomial", "bernoulli_of", "normal_of", *dir(rejection), "randperm"):
            assert got.shape == tuple(shape)
        expected = as_array(result["values"], "int64" if call == "multinomial" else name)
        assert_close(call, arguments, kept(got), expected)
        if name in ("float32", "float64", "int64") and call != "cauchy":
            values = got.astype(np.float64)
            values = values[np.abs(values) < 1e300]
            assert abs(values.sum() - result["sum"]) <= 1e-7 * np.abs(values).sum()
    state = g._get_state_array()
    assert state[8:12].view("i4")[0] == case["left"]
    assert state[16:24].view("u8")[0] == case["next"]
    assert state[24:104].view("u8").tolist() == case["first_words"]
    if case["normal"] is None:
        assert g.next_normal is None and not state[5024:5048].any()
    else:
        assert ulps(np.array(g.next_normal), np.array(case["normal"])) <= 2


# The engine


def test_numpy_keeps_the_twister_where_we_look():
    twister = _twister()
    twister.seed(12345)
    state = twister._bits.state["state"]
    np.testing.assert_array_equal(twister._memory[:BLOCK], state["key"])
    assert twister._memory[BLOCK] == state["pos"]


@pytest.mark.parametrize("cuts", [(1, 1, 1), (623, 1, 1), (624, 624), (600, 50, 700), (5, 2000, 3), (1300, 1, 1000)])
def test_cuts_do_not_change_the_stream(cuts):
    whole = Generator().manual_seed(1)
    parts = Generator().manual_seed(1)
    expected = whole.words(sum(cuts))
    np.testing.assert_array_equal(np.concatenate([parts.words(n) for n in cuts]), expected)
    np.testing.assert_array_equal(parts._get_state_array(), whole._get_state_array())


def test_no_draw_leaves_the_state_alone():
    g = Generator().manual_seed(4)
    before = g._get_state_array()
    for n, call in itertools.product((0,), (g.words, g.word_pairs, g.floats, g.doubles)):
        assert call(n).size == 0
    sampling.normal(g, (0, 3), dtype.float32)
    np.testing.assert_array_equal(g._get_state_array(), before)


def test_doubles_one_by_one_are_the_doubles():
    whole, single = Generator().manual_seed(2), Generator().manual_seed(2)
    for skipped, taken in ((0, 5), (1, 700), (3, 311), (0, 1)):
        whole.words(skipped)
        single.words(skipped)
        assert list(itertools.islice(single.each_double(), taken)) == whole.doubles(taken).tolist()
        np.testing.assert_array_equal(single._get_state_array(), whole._get_state_array())


def test_a_result_is_nobody_else_s():
    g = Generator().manual_seed(3)
    for call, d in (("uniform", dtype.float32), ("uniform", dtype.float64), ("normal", dtype.float64), ("exponential", dtype.float64)):
        state = g._get_state_array()
        first = draw(call, [5], d.name, {}, g)
        expected = first.copy()
        first[:] = -1
        g._set_state_array(state)
        np.testing.assert_array_equal(draw(call, [5], d.name, {}, g), expected)


def test_threads_share_a_generator():
    g = Generator().manual_seed(8)
    drawn = [[] for _ in range(4)]

    def work(mine):
        for _ in range(200):
            mine.append(sampling.uniform(g, (7,), dtype.float32))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = sorted(tuple(part) for mine in drawn for part in mine)
    alone = sampling.uniform(Generator().manual_seed(8), (800, 7), dtype.float32)
    assert together == sorted(tuple(part) for part in alone)


def test_numpy_random_is_loaded_by_the_first_draw():
    code = (
        "import sys; from chainrule.core import generator, sampling, random_integers, rejection; generator.Generator().manual_seed(1);"
        "assert 'numpy.random' not in sys.modules; generator.default_generator.words(1); assert 'numpy.random' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Seeds and states


@pytest.mark.parametrize(("seed", "stands_for"), [(0, 0), (-1, 2**64 - 1), (-(2**63), 2**63), (2**64 - 1, 2**64 - 1)])
def test_seeds(seed, stands_for):
    g = Generator()
    assert g.manual_seed(seed) is g
    assert g.initial_seed() == stands_for


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (2**64, ValueError, "Overflow when unpacking long long"),
        (-(2**63) - 1, ValueError, "Overflow when unpacking long long"),
        (1.5, RuntimeError, "manual_seed expected a long, but got float"),
        (True, RuntimeError, "manual_seed expected a long, but got bool"),
        (np.int64(3), TypeError, "an integer is required"),
    ],
)
def test_seeds_that_are_none(seed, error, message):
    with pytest.raises(error) as caught:
        Generator().manual_seed(seed)
    assert str(caught.value) == message


def test_seed_is_a_surprise():
    g = Generator()
    assert g.initial_seed() == 67280421310721
    seeds = {g.seed() for _ in range(10)}
    assert len(seeds) == 10
    assert g.initial_seed() in seeds
    assert default_generator.initial_seed() != 67280421310721


def test_a_new_seed_forgets_the_waiting_normal():
    g = Generator().manual_seed(5)
    first = sampling.normal(g, (1,), dtype.float64)
    assert g.next_normal is not None
    assert sampling.normal(g.manual_seed(5), (1,), dtype.float64) == first


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, Generator.clone_state, lambda g: pickle.loads(pickle.dumps(g))])
@pytest.mark.parametrize("drawn", [0, 3, 623, 624, 625])
def test_copies_continue_alike(copied, drawn):
    g = Generator().manual_seed(6)
    g.words(drawn)
    sampling.normal(g, (1,), dtype.float32)
    twin = copied(g)
    assert twin is not g and twin.initial_seed() == 6
    expected = sampling.normal(g, (40, 20), dtype.float64, contiguous=False)
    np.testing.assert_array_equal(sampling.normal(twin, (40, 20), dtype.float64, contiguous=False), expected)
    np.testing.assert_array_equal(twin._get_state_array(), g._get_state_array())


@pytest.mark.parametrize("drawn", [0, 1, 300, 623, 624, 625, 2000])
def test_states_round_trip(drawn):
    g = Generator().manual_seed(7)
    g.words(drawn)
    state = g._get_state_array()
    assert state.shape == (5056,) and state.dtype == np.uint8
    expected = g.words(1000)
    other = Generator()
    other._set_state_array(state)
    np.testing.assert_array_equal(other._get_state_array(), state)
    np.testing.assert_array_equal(other.words(1000), expected)
    g._set_state_array(state.reshape(2, -1))
    np.testing.assert_array_equal(g.words(1000), expected)


def test_a_state_keeps_the_bytes_that_mean_nothing_here():
    state = Generator()._get_state_array()
    state[5048:5052].view("f4")[0] = 1.5
    state[5052] = 1
    g = Generator()
    g._set_state_array(state)
    np.testing.assert_array_equal(g._get_state_array(), state)


def spoiled(offset, kind, value):
    state = Generator().manual_seed(1)._get_state_array()
    state[offset : offset + np.dtype(kind).itemsize].view(kind)[0] = value
    return state


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        (b"x", TypeError, "expected a torch.ByteTensor, but got bytes"),
        (np.zeros(5056, np.float32), TypeError, "RNG state must be a torch.ByteTensor"),
        (np.zeros(10112, np.uint8)[::2], RuntimeError, "RNG state must be contiguous"),
        (np.zeros(10, np.uint8), RuntimeError, "Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size to be 10"),
        (np.zeros(5056, np.uint8), RuntimeError, "Invalid mt19937 state"),
        (spoiled(8, "i4", 0), RuntimeError, "Invalid mt19937 state"),
        (spoiled(8, "i4", 625), RuntimeError, "Invalid mt19937 state"),
        (spoiled(12, "i4", 0), RuntimeError, "Invalid mt19937 state"),
        (spoiled(16, "u8", 625), RuntimeError, "Invalid mt19937 state"),
    ],
)
def test_states_that_are_none(state, error, message):
    g = Generator().manual_seed(1)
    before = g._get_state_array()
    with pytest.raises(error) as caught:
        g._set_state_array(state)
    assert str(caught.value) == message
    np.testing.assert_array_equal(g._get_state_array(), before)


def test_the_device_is_the_cpu():
    for where in (None, "cpu", cpu, "cpu:0"):
        assert Generator(where).device is cpu
    assert Generator(device="cpu").device is cpu
    for where, message in (
        ("cuda", "Cannot get CUDA generator without ATen_cuda library."),
        ("meta", "META device type not an accelerator."),
    ):
        with pytest.raises(RuntimeError) as caught:
            Generator(where)
        assert str(caught.value) == message
    for call in (Generator().get_offset, lambda: Generator().set_offset(1)):
        with pytest.raises(RuntimeError, match="CPU Generator does not use offset"):
            call()


# The distributions


def test_float16_and_bfloat16_stay_below_the_upper_bound():
    for d in (dtype.float16, dtype.bfloat16, dtype.float32):
        values = sampling.uniform(Generator().manual_seed(0), (200_000,), d, 0.0, 1.0).astype(np.float32)
        assert values.min() >= 0 and values.max() < 1
    narrow = sampling.uniform(Generator().manual_seed(0), (1000,), dtype.float32, 100.0, 100.00001)
    assert set(narrow.tolist()) == {100.0}


def test_the_two_ways_to_a_permutation_agree():
    g = Generator().manual_seed(9)
    for n in (1, 2, 3, 10, 100, 511, 2000):
        for _ in range(20):
            steps = np.arange(n)
            goals = steps + np.append(random_integers._remainders(g.words(n - 1), n), 0)
            at_once = random_integers._swapped_at_once(steps, goals)
            np.testing.assert_array_equal(at_once, random_integers._swapped(goals))
            assert sorted(at_once.tolist()) == list(range(n))


def test_multiplying_and_adding_rounds_once():
    x = sampling.normal(Generator().manual_seed(1), (1000,), dtype.float64)
    from fractions import Fraction

    for scale, shift in ((1.7, 0.3), (-1e-3, 1.0), (1e200, -1e200), (3.0, 0.0)):
        exact = [float(Fraction(v) * Fraction(scale) + Fraction(shift)) for v in x.tolist()]
        assert sampling._fused(x, scale, shift).tolist() == exact
    assert np.isinf(sampling._fused(x, 1.0, np.inf)).all()


def test_race_without_enough_positive_weights_takes_the_others_in_order():
    weights = np.array([0, 0, 0.3, 0, 0.7, 0], np.float32)
    order = sampling.multinomial(Generator().manual_seed(0), weights, 6)
    assert sorted(order[:2].tolist()) == [2, 4]
    assert order[2:].tolist() == [0, 1, 3, 5]


def test_transposed_weights_are_drawn_in_the_order_of_the_memory():
    weights = np.arange(1.0, 13.0).reshape(4, 3)
    g = Generator().manual_seed(1)
    times = sampling.exponential(g.clone_state(), (4, 3), dtype.float64)
    expected = (weights / times).T.argmax(1)
    np.testing.assert_array_equal(sampling.multinomial(g, weights.T, 1)[:, 0], expected)


E_CONTINUOUS = "distribution is a continuous probability distribution. dtype must be a floating point but you specified"


@pytest.mark.parametrize(
    ("call", "name", "arguments", "error", "message"),
    [
        ("uniform", "int64", {}, NotImplementedError, "\"check_uniform_bounds\" not implemented for 'Long'"),
        ("uniform", "float32", {"low": 2, "high": 1}, RuntimeError,
         "uniform_ expects to return a [from, to) range, but found from=2 > to=1"),
        ("uniform", "float16", {"high": 1e5}, RuntimeError, "to is out of bounds for c10::Half"),
        ("uniform", "float32", {"low": float("nan")}, RuntimeError, "from is out of bounds for float"),
        ("normal", "float32", {"std": -1e-5}, RuntimeError, "normal expects std >= 0.0, but found std -1e-05"),
        ("normal", "int64", {}, NotImplementedError, "\"normal_kernel_cpu\" not implemented for 'Long'"),
        ("log_normal", "float32", {"std": 0}, RuntimeError, "log_normal_ expects std > 0.0, but found std=0"),
        ("exponential", "float32", {"rate": -1}, RuntimeError, "exponential_ expects lambda > 0.0, but found lambda=-1"),
        ("exponential", "int64", {}, RuntimeError, f"Exponential {E_CONTINUOUS} Long"),
        ("cauchy", "int64", {}, RuntimeError, f"Cauchy {E_CONTINUOUS} long int"),
        ("geometric", "float32", {"p": 1.0}, RuntimeError, "geometric_ expects p to be in (0, 1), but got p=1"),
        ("geometric", "bool", {"p": 0.5}, NotImplementedError, "\"geometric_cpu\" not implemented for 'Bool'"),
        ("bernoulli", "float32", {"p": 1.5}, RuntimeError, "bernoulli_ expects p to be in [0, 1], but got p=1.5"),
        ("random", "uint16", {}, NotImplementedError, "\"random_kernel_cpu\" not implemented for 'UInt16'"),
        ("randint", "int64", {"low": 5, "high": 5}, RuntimeError,
         "random_ expects 'from' to be less than 'to', but got from=5 >= to=5"),
        ("randint", "uint8", {"low": 0, "high": 300}, RuntimeError, "to - 1 is out of bounds for unsigned char"),
        ("random_from", "int8", {"low": -(2**63)}, RuntimeError,
         "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16"),
    ],
)  # fmt: skip
def test_refusals(call, name, arguments, error, message):
    g = Generator()
    before = g._get_state_array()
    with pytest.raises(error) as caught:
        draw(call, [3], name, arguments, g)
    assert str(caught.value) == message
    np.testing.assert_array_equal(g._get_state_array(), before)


@pytest.mark.parametrize(
    ("n", "name", "message"),
    [
        (-1, "int64", "Trying to create tensor with negative dimension -1: [-1]"),
        (257, "uint8", "value cannot be converted to type uint8_t without overflow"),
        (2050, "float16", "n cannot be greater than 2049 for Half type."),
        (2**24 + 2, "float32", "n cannot be greater than 2^24+1 for Float type."),
        (2, "bool", "\"randperm\" not implemented for 'Bool'"),
    ],
)
def test_permutations_that_are_none(n, name, message):
    with pytest.raises((RuntimeError, NotImplementedError)) as caught:
        random_integers.randperm(Generator(), n, DTYPES[name])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("weights", "count", "replacement", "message"),
    [
        ([-1.0, 2.0], 1, False, "probability tensor contains either `inf`, `nan` or element < 0"),
        ([0.0, 0.0], 1, False, "invalid multinomial distribution (sum of probabilities <= 0)"),
        ([-1.0, 2.0], 2, True, "invalid multinomial distribution (encountering probability entry < 0)"),
        ([np.inf, 2.0], 2, True, "invalid multinomial distribution (encountering probability entry = infinity or NaN)"),
        ([1.0, 2.0], 0, False, "cannot sample n_sample <= 0 samples"),
        ([1.0, 2.0], 3, False, "cannot sample n_sample > prob_dist.size(-1) samples without replacement"),
        (1.0, 1, False, "prob_dist must be 1 or 2 dim"),
    ],
)
def test_weights_that_are_none(weights, count, replacement, message):
    with pytest.raises(RuntimeError) as caught:
        sampling.multinomial(Generator(), np.array(weights, np.float32), count, replacement)
    assert str(caught.value) == message


def test_randint_warns_of_integers_that_a_float_skips():
    with pytest.warns(UserWarning, match=r"^to - 1 is out of bounds \[-\(2\^8\), 2\^8\]\. Due to precision limitations c10::BFloat16 can"):
        values = random_integers.randint(Generator().manual_seed(0), (2000,), dtype.bfloat16, 0, 300)
    assert values.astype(np.float32).max() <= 300
