"""Programs: their specification, their text, and running them on NumPy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings

from chainrule.compiler.program import make
from chainrule.compiler.program.elementwise import IMPLEMENTATIONS
from chainrule.compiler.program.execute import execute, prepare
from chainrule.compiler.program.ir import Node, Program, Source, ordered
from chainrule.compiler.program.kinds import compute
from chainrule.compiler.program.spec import FUNCTIONS, Window, distinct, verify

from .programs import ALL, FLOATS, HALVES, INTEGERS, Case, agree, cases, seeded

settings.register_profile("seeded", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("seeded")


def inputs(*arrays: np.ndarray) -> tuple[Program, list[Node]]:
    nodes = [Node("input", (), a.shape, a.dtype, {"index": i}) for i, a in enumerate(arrays)]
    return Program(inputs=nodes), nodes


def run(make_node, *arrays) -> np.ndarray:
    arrays = tuple(np.asarray(a) for a in arrays)
    program, nodes = inputs(*arrays)
    program.outputs = [make_node(*nodes)]
    return execute(verify(program), list(arrays))[0]


def slowly(case: Case) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Node after node, every value kept and copied: the outputs, and the inputs after the stores."""
    values: dict[int, object] = {}
    with np.errstate(all="ignore"):
        for node in case.program.nodes():
            if node.op == "input":
                value = case.inputs[node.attrs["index"]].copy()
            else:
                value = compute(node)(*[np.array(values[id(a)]) for a in node.args])
            values[id(node)] = np.array(value)
    after = [a.copy() for a in case.inputs]
    for index, node in case.program.stores:
        after[index][...] = values[id(node)]
    return [values[id(n)] for n in case.program.outputs], after


@given(cases(ALL, (*FLOATS, *HALVES, *INTEGERS)))
def test_running_keeps_what_is_needed(case: Case) -> None:
    verify(case.program)
    outputs, after = slowly(case)
    run = prepare(case.program)
    for _ in range(2):
        given = [a.copy() for a in case.inputs]
        got = run(given)
        agree(got, outputs)
        agree(given, after)
        assert all(a.flags.c_contiguous and a.flags.writeable for a in got)
        assert not any(np.shares_memory(a, b) for a in got for b in given)


@pytest.mark.parametrize("seed", range(20))
def test_large_values_are_written_over(seed: int) -> None:
    case = seeded(seed, 60, ("map", "map", "map", "permute", "put", "scatter", "expand", "reduce"), limit=1 << 16)
    big = np.random.default_rng(seed).standard_normal((64, 80))
    program, (x,) = inputs(big)
    chain = make.apply("sin", x)
    for k in range(12):
        other = make.permute(make.reshape(chain, (80, 64)), (1, 0)) if k % 5 == seed % 5 else x
        chain = make.apply(("add", "mul", "maximum")[k % 3], chain, other)
        if k % 4 == seed % 4:
            chain = make.put(chain, make.view(x, (3, 4), (80, 1), 5), (80, 2), k)
    program.outputs = [chain, make.reduce("sum", chain, (0,))]
    program.stores = [(0, make.apply("cos", chain))]
    for one in (case, Case(program, [big])):
        outputs, after = slowly(one)
        given = [a.copy() for a in one.inputs]
        agree(execute(verify(one.program), given), outputs)
        agree(given, after)


def test_stores_read_everything_first() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2) * 10
    program, (x, y) = inputs(a, b)
    program.stores = [(0, make.permute(y, (1, 0))), (1, make.permute(x, (1, 0)))]
    program.outputs = [x]
    (first,) = execute(verify(program), [a, b])
    np.testing.assert_array_equal(first, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(a, np.arange(6.0).reshape(3, 2).T * 10)
    np.testing.assert_array_equal(b, np.arange(6.0).reshape(2, 3).T)


def test_views_are_of_the_flat_argument() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(run(lambda n: make.permute(n, (2, 0, 1)), x), x.transpose(2, 0, 1))
    np.testing.assert_array_equal(run(lambda n: make.view(make.permute(n, (2, 1, 0)), (5,), (-2,), 20), x), x.T.ravel()[20:10:-2])
    np.testing.assert_array_equal(
        run(lambda n: make.expand(make.reduce("sum", n, (0, 2)), (2, 3)), x), np.broadcast_to(x.sum((0, 2)), (2, 3))
    )
    assert run(lambda n: make.view(n, (0, 3), (1, 1), 99), x).shape == (0, 3)


def test_pad_put_concat() -> None:
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(
        run(lambda n: make.pad(n, make.const(7.0), (1, 0), (4, 5)), x), np.pad(x, ((1, 1), (0, 2)), constant_values=7)
    )
    expected = x.copy()
    expected[:, ::-2] = [[10, 20], [30, 40]]
    np.testing.assert_array_equal(run(lambda n, v: make.put(n, v, (3, -2), 2), x, [[10.0, 20], [30, 40]]), expected)
    np.testing.assert_array_equal(run(lambda n: make.concat([n, n], 1), x), np.concatenate([x, x], 1))


def test_reductions() -> None:
    x = np.array([[1.0, np.nan, 3], [4, 4, 2]], np.float32)
    for fn, f in (("sum", np.sum), ("prod", np.prod), ("max", np.max), ("min", np.min), ("argmax", np.argmax), ("argmin", np.argmin)):
        for axes in ((0,), (1,), (0, 1)):
            got = run(lambda n, fn=fn, axes=axes: make.reduce(fn, n, axes), x)
            np.testing.assert_array_equal(got, f(x, axis=axes[0] if len(axes) == 1 else None))
    assert run(lambda n: make.reduce("sum", n, ()), x).shape == (2, 3)
    assert run(lambda n: make.reduce("sum", n, (0,)), np.zeros((0, 3))).tolist() == [0, 0, 0]
    assert run(lambda n: make.reduce("argmax", n, (0,)), np.zeros((3, 0))).shape == (0,)
    assert run(lambda n: make.reduce("all", n, (0, 1)), np.ones((2, 2), bool)) == True  # noqa: E712
    many = np.full(4096, 0.1, ml_dtypes.bfloat16)
    assert abs(float(run(lambda n: make.reduce("sum", n, (0,)), many)) - 410) < 2, "half precision adds up in float32"


def test_gather_and_scatter() -> None:
    x = np.arange(6.0).reshape(2, 3)
    index = np.array([[5, 0], [5, 1]])
    np.testing.assert_array_equal(run(make.gather, x, index), [[5, 0], [5, 1]])
    value = np.array([[1.0, 2], [3, 4]])
    assert run(lambda *n: make.scatter("set", *n), x, index, value).ravel()[5] == 3, "the last one stays"
    assert run(lambda *n: make.scatter("add", *n), x, index, value).ravel()[5] == 9
    for bad in (6, -1):
        with pytest.raises(IndexError, match=rf"index {bad} is out of bounds for dimension 0 with size 6"):
            run(make.gather, x, np.array([0, bad]))
        with pytest.raises(IndexError, match="out of bounds"):
            run(lambda *n: make.scatter("add", *n), x, np.array([bad]), np.array([1.0]))


@pytest.mark.parametrize("pairs", [((0, 0), (0, 0)), ((1, 2), (0, 1)), ((2, 2), (1, 1))])
@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_are_each_others_transposes(pairs, groups) -> None:
    at = Window((2, 1), pairs, (1, 2), groups)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, 6, 7)), rng.standard_normal((6, 4 // groups, 3, 2))
    y = run(lambda a, b: make.conv(a, b, at), x, w)
    grown = np.pad(x, ((0, 0), (0, 0), *pairs))
    direct = np.zeros_like(y)
    for f in range(6):
        block = slice((f // (6 // groups)) * 4 // groups, (f // (6 // groups) + 1) * 4 // groups)
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                direct[:, f, i, j] = (grown[:, block, 2 * i : 2 * i + 3, j : j + 3 : 2] * w[f]).sum((1, 2, 3))
    np.testing.assert_allclose(y, direct)
    g = rng.standard_normal(y.shape)
    np.testing.assert_allclose((y * g).sum(), (run(lambda a, b: make.conv_input(a, b, x.shape, at), g, w) * x).sum())
    np.testing.assert_allclose((y * g).sum(), (run(lambda a, b: make.conv_weight(a, b, w.shape, at), g, x) * w).sum())


def test_every_function_has_an_implementation() -> None:
    assert set(IMPLEMENTATIONS) == set(FUNCTIONS) - {"cast", "inside"}


@pytest.mark.parametrize("fn", sorted(IMPLEMENTATIONS))
def test_every_function_gives_its_dtype(fn) -> None:
    function = FUNCTIONS[fn]
    dtypes = {"b": [np.bool_], "i": [np.int8, np.uint8, np.int64], "f": [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]}
    with np.errstate(all="ignore"):
        for kind in function.categories:
            for dtype in dtypes[kind]:
                for shape in ((), (3,), (3000,), (0,)):
                    x = np.ones(shape, dtype)
                    args = [x, x, x][: function.arity]
                    if fn == "where":
                        args[0] = np.ones(shape, bool)
                    got = run(lambda *n: make.apply(fn, *n), *args)
                    assert got.shape == shape
                    assert got.dtype == (np.bool_ if function.predicate else dtype)


def test_functions_at_special_points() -> None:
    nan, inf = np.nan, np.inf
    assert run(lambda a: make.apply("sign", a), [nan, -0.0, -inf, 2]).tolist() == [0, 0, -1, 1]
    assert np.signbit(run(lambda a, b: make.apply("remainder", a, b), [-4.0], [2.0]))[0], "a zero rest has the sign of the dividend"
    assert run(lambda a, b: make.apply("remainder", a, b), [-7.0, 7], [3.0, -3]).tolist() == [2, -2]
    assert run(lambda a, b: make.apply("floor_div", a, b), [7, -7], [0, 2]).tolist() == [0, -4], "integers never trap"
    assert np.isnan(run(lambda a, b: make.apply("maximum", a, b), [nan, 1.0], [1.0, nan])).all()
    assert run(lambda a, b: make.apply("fmax", a, b), [nan, 1.0], [1.0, nan]).tolist() == [1, 1]
    assert run(lambda a, b: make.apply("pow", a, b), [2, -1, 0], [-1, -3, 0]).tolist() == [0, -1, 1]


def test_host_calls() -> None:
    seen = []

    def twice(x, k):
        seen.append(float(k))
        return x * 2, np.asarray(x.sum())

    program, (x, k) = inputs(a := np.arange(3.0), five := np.array(5.0))
    doubled, total = make.call(twice, (make.apply("neg", x), k), [((3,), np.float64), ((), np.float64)])
    program.outputs = [make.apply("add", doubled, total)]
    assert execute(verify(program), [a, five])[0].tolist() == [-3, -5, -7]
    assert seen == [5.0]
    program.outputs = make.call(lambda x: (x[:2],), (x,), [((3,), np.float64)])
    with pytest.raises(RuntimeError, match=r"<lambda> gave float64\[2\] where the compiled program expects float64\[3\]"):
        execute(program, [a, five])


def bad_nodes():
    f = Node("input", (), (2, 3), np.float32, {"index": 0})
    zero = make.const(0.0, np.float32)
    at = Window((1,), ((0, 0),), (1,), 1)

    def node(op, args, shape=(2, 3), dtype=np.float32, **attrs):
        return Node(op, args, shape, dtype, attrs, Source("linear", "train.py:7"))

    yield f, "kind", Node("frobnicate", (), (), np.float32)
    yield f, "0 arguments", node("iota", (f,), dtype=np.int64, axis=0)
    yield f, "no such axis", node("iota", (), dtype=np.int64, axis=2)
    yield f, "its value is", node("const", (), value=np.zeros(3))
    yield f, "no elementwise function", node("map", (f,), fn="gelu")
    yield f, "takes 2 arguments, not 1", node("map", (f,), fn="add")
    yield f, "of its shape", node("map", (f, make.const(np.zeros(3, np.float32))), fn="add")
    yield f, "one dtype", node("map", (f, make.const(0.0)), fn="add")
    yield f, "does not take float32", node("map", (f, f), fn="shl")
    yield f, "another dtype", node("map", (f, f), fn="lt")
    yield f, "condition is bool", node("map", (f, f, f), fn="where")
    yield f, "attributes", node("map", (f,))
    yield f, "places outside", node("view", (f,), shape=(3, 3), strides=(3, 1), offset=0)
    yield f, "places outside", node("view", (f,), shape=(3,), strides=(-1,), offset=1)
    yield f, "a stride for each axis", node("view", (f,), strides=(1,), offset=0)
    yield f, "does not lie within", node("pad", (f, zero), shape=(3, 3), low=(2, 0))
    yield f, "twice", node("put", (f, make.const(np.zeros((2, 2), np.float32))), strides=(1, 1), offset=0)
    yield f, "make up its shape", node("concat", (f, f), axis=0)
    yield f, "no reduction", node("reduce", (f,), shape=(2,), fn="mean", axes=(1,))
    yield f, "without the axes", node("reduce", (f,), shape=(2,), fn="sum", axes=(0,))
    yield f, "sorted", node("reduce", (f,), shape=(), fn="sum", axes=(1, 0))
    yield f, "takes and gives bool", node("reduce", (f,), shape=(), fn="any", axes=(0, 1))
    yield f, "no elements", make.reduce("max", make.view(f, (0,), (1,)), (0,))
    yield f, "no scan", node("scan", (f,), fn="cummean", axis=0)
    yield f, r"\(…, K, N\)", node("matmul", (f, f))
    yield f, "spatial", Node("conv", (f, f), (2, 3), np.float32, at._asdict())
    yield f, "int64", node("gather", (f, f))
    yield f, "no scatter", node("scatter", (f, make.const(np.zeros(1, int)), make.const(np.zeros(1, np.float32))), fn="mean")
    yield f, "no function", make.call(None, (f,), [((2, 3), np.float32)])[0]
    yield f, "only an item", make.apply("neg", make.call(abs, (f,), [((), bool)])[0].args[0])
    yield f, "shape consists", node("const", (), shape=(-1,), value=np.zeros(0, np.float32))


@pytest.mark.parametrize("x, message, bad", list(bad_nodes()), ids=lambda v: v if isinstance(v, str) else "")
def test_the_specification_refuses(x, message, bad) -> None:
    with pytest.raises(ValueError, match=message) as e:
        verify(Program(inputs=[x], outputs=[bad]))
    assert (bad.args[0] if bad.op == "item" else bad).op in str(e.value)
    if bad.source.line:
        assert "linear · train.py:7" in str(e.value)


def test_the_specification_of_whole_programs() -> None:
    x = Node("input", (), (2,), np.float32, {"index": 0})
    stray = Node("input", (), (2,), np.float32, {"index": 0})
    for program, message in (
        (Program([x], [stray]), "not the program's input 0"),
        (Program([x], [], [(1, x)]), "has 1 inputs"),
        (Program([x], [], [(0, make.reshape(x, (1, 2)))]), "shape and dtype"),
        (Program([x], [], [(0, x), (0, x)]), "stored twice"),
        (
            Program([x], [make.call(abs, (x,), [])[:1] and x or Node("call", (x,), (), bool, {"function": abs, "outputs": ()})]),
            "no value of its own",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            verify(program)


def test_distinct_places() -> None:
    assert distinct((2, 3), (3, 1)) and distinct((2, 2), (1, 2)) and distinct((0, 5), (0, 0)) and distinct((1, 4), (0, -2))
    assert distinct((3, 2), (2, 3)), "0 2 4 3 5 7: interleaved, and each once"
    assert not distinct((2, 3), (2, 1)) and not distinct((2,), (0,))


def test_long_programs_need_no_recursion() -> None:
    program, (x,) = inputs(a := np.ones(2))
    y = x
    for _ in range(20_000):
        y = make.apply("add", y, x)
    program.outputs = [y]
    assert execute(verify(program), [a])[0].tolist() == [20_001, 20_001]
    assert len(ordered([y])) == 20_001


def test_text() -> None:
    program, (x, w) = inputs(np.zeros((2, 3)), np.zeros((4, 3)))
    h = make.matmul(x, make.permute(w, (1, 0)), Source("linear", "train.py:7"))
    program.outputs = [make.apply("tanh", h)]
    program.stores = [(0, make.apply("mul", x, make.const(2.0)))]
    lines = str(program).splitlines()
    assert lines[0] == "input0: float64[2, 3] = input()"
    assert lines[2] == "v2: float64[3, 4] = view(input1, strides=(1, 3), offset=0)"
    assert lines[3].split("#")[1].strip() == "linear · train.py:7"
    assert lines[-2:] == ["input0 <- v6", "return v4"]
