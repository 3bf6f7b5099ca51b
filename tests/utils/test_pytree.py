"""Pytrees: round trips, shapes, paths, registration, errors."""

import copy
import dataclasses
import pickle
import warnings
from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.utils import _pytree as pytree

Point = namedtuple("Point", "x y")

trees = st.recursive(
    st.none() | st.integers() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.lists(inner, max_size=3).map(deque)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3).map(OrderedDict)
        | st.tuples(inner, inner).map(lambda p: Point(*p))
    ),
    max_leaves=12,
)


@given(trees)
def test_round_trip(tree):
    leaves, spec = pytree.tree_flatten(tree)
    again = pytree.tree_unflatten(leaves, spec)
    assert again == tree and repr(again) == repr(tree)
    assert spec.num_leaves == len(leaves)
    assert spec == pytree.tree_structure(again) and hash(spec) == hash(pytree.tree_structure(again))
    assert list(pytree.tree_iter(tree)) == leaves == pytree.tree_leaves(tree)
    assert [x for _, x in pytree.tree_leaves_with_path(tree)] == leaves
    assert all(pytree.key_get(tree, path) is x for path, x in pytree.tree_leaves_with_path(tree))


@given(trees)
def test_map_forms_agree(tree):
    def f(x):
        return ("f", repr(x))

    leaves, spec = pytree.tree_flatten(tree)
    wanted = spec.unflatten([f(x) for x in leaves])
    assert pytree.tree_map(f, tree) == wanted
    assert pytree.tree_map(lambda x, y: f(y), tree, tree) == wanted
    assert pytree.tree_map(f, tree, is_leaf=lambda x: False) == wanted
    assert pytree.tree_map_with_path(lambda path, x: f(x), tree) == wanted


@given(trees)
def test_specs_survive_pickling(tree):
    spec = pytree.tree_structure(tree)
    assert pickle.loads(pickle.dumps(spec)) == spec == copy.deepcopy(spec)


def test_repr_is_indented_by_depth():
    spec = pytree.tree_structure([{"a": {"b": [1, 2]}}, [[], {}]])
    assert repr(spec) == (
        "TreeSpec(list, None, [TreeSpec(dict, ['a'], [TreeSpec(dict, ['b'], [TreeSpec(list, None, [*,\n"
        "        *])])]),\n"
        "  TreeSpec(list, None, [TreeSpec(list, None, []),\n"
        "    TreeSpec(dict, [], [])])])"
    )


def test_shared_flat_specs_are_not_mixed_up():
    assert pytree.tree_structure((1, 2)) != pytree.tree_structure([1, 2])
    assert pytree.tree_structure((1, 2)) != pytree.tree_structure((1, 2, 3))
    assert pytree.tree_structure((1, (2,))) != pytree.tree_structure((1, 2))
    pytree.tree_structure((1, 2)).children().clear()
    assert pytree.tree_structure((3, 4)).num_children == 2


def test_specs_are_immutable():
    with pytest.raises(AttributeError):
        pytree.tree_structure([1]).type = tuple
    with pytest.raises(AttributeError):
        pytree.SequenceKey(1).idx = 2


@pytest.mark.parametrize(
    ("tree", "other", "message"),
    [
        ([1, (2, 3)], [4, 5], "Node type mismatch; expected <class 'tuple'>, but got <class 'int'>."),
        ([1, 2], [1], "Node arity mismatch; expected 2, but got 1."),
        ({"a": 1, "b": 2}, {"a": 1, "c": 2}, "Node keys mismatch; missing key(s): {'b'}; extra key(s): {'c'}."),
    ],
)
def test_map_over_trees_of_other_shapes(tree, other, message):
    with pytest.raises(ValueError) as e:
        pytree.tree_map(lambda x, y: x, tree, other)
    assert str(e.value) == message


def test_dicts_meet_by_key_not_by_order():
    assert pytree.tree_map(lambda x, y: (x, y), {"a": 1, "b": 2}, OrderedDict(b=20, a=10)) == {"a": (1, 10), "b": (2, 20)}
    factory = defaultdict(list, a=1)
    mapped = pytree.tree_map(lambda x: x + 1, factory)
    assert mapped == {"a": 2} and mapped.default_factory is list


def test_broadcast_follows_the_spec():
    spec = pytree.tree_structure({"a": [1, 2], "b": 3})
    assert pytree._broadcast_to_and_flatten(0, spec) == [0, 0, 0]
    assert pytree._broadcast_to_and_flatten({"b": "B", "a": "A"}, spec) == ["A", "A", "B"]
    assert pytree._broadcast_to_and_flatten({"a": ["x", "y"], "b": None}, spec) == ["x", "y", None]
    assert pytree._broadcast_to_and_flatten({"a": ["x"], "b": None}, spec) is None
    assert pytree._broadcast_to_and_flatten({"a": 1}, spec) is None
    assert pytree._broadcast_to_and_flatten([1, 2], spec) is None


def test_wrong_number_of_leaves():
    spec = pytree.tree_structure([1, 2])
    with pytest.raises(ValueError, match="`leaves` has length 1 but the spec refers to a pytree that holds 2 items"):
        spec.unflatten([1])
    with pytest.raises(TypeError, match="Expected `treespec` to be an instance of PyTreeSpec"):
        pytree.tree_unflatten([1], 3)


@pytest.fixture
def box():
    class Box:
        def __init__(self, a, b, tag="tag"):
            self.a, self.b, self.tag = a, b, tag

    pytree.register_pytree_node(Box, lambda x: ([x.a, x.b], x.tag), lambda c, tag: Box(*c, tag))
    yield Box
    if Box in pytree.SUPPORTED_NODES:
        pytree._deregister_pytree_node(Box)


def test_registered_class(box):
    mapped = pytree.tree_map(lambda x: x + 1, [box(1, (2, 3), "t")])[0]
    assert (mapped.a, mapped.b, mapped.tag) == (2, (3, 4), "t")
    with pytest.raises(ValueError, match="already registered as pytree node"):
        pytree.register_pytree_node(box, list, tuple)
    with pytest.raises(ValueError, match="Did not find a flatten_with_keys_fn"):
        pytree.tree_leaves_with_path(box(1, 2))
    with pytest.raises(ValueError, match="Node context mismatch for custom node type"):
        pytree.tree_map(lambda x, y: x, box(1, 2, "t"), box(1, 2, "u"))
    with pytest.raises(NotImplementedError, match="No registered serialization name"):
        pytree.treespec_dumps(pytree.tree_structure(box(1, 2)))
    pytree._deregister_pytree_node(box)
    leaf = box(1, 2)
    assert pytree.tree_leaves([leaf]) == [leaf]


def test_dataclass():
    @dataclasses.dataclass
    class State:
        x: int
        v: int | None = None

    pytree.register_dataclass(State)
    assert pytree.tree_map(lambda a: a + 1, State(1, 2)) == State(2, 3)
    assert pytree.tree_leaves(State(1)) == [1]
    assert [pytree.keystr(p) for p, _ in pytree.tree_leaves_with_path(State(1, [2]))] == [".x", ".v[0]"]
    with pytest.raises(ValueError, match="Missing fields in `field_names`: {'v'}"):
        pytree.register_dataclass(State, field_names=["x"])


def test_constant():
    @dataclasses.dataclass(frozen=True)
    class Mode:
        name: str

    pytree.register_constant(Mode)
    leaves, spec = pytree.tree_flatten([Mode("a"), 1])
    assert leaves == [1] and spec.unflatten([2]) == [Mode("a"), 2]
    assert spec != pytree.tree_structure([Mode("b"), 1])


@given(st.recursive(st.integers(), lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text(max_size=2), t, max_size=3), max_leaves=8))
def test_specs_as_text(tree):
    spec = pytree.tree_structure(tree)
    assert pytree.treespec_loads(pytree.treespec_dumps(spec)) == spec


def test_namedtuple_needs_a_name_to_be_written():
    class Pair(namedtuple("Pair", "u v")):
        pass

    spec = pytree.tree_structure(Pair(1, 2))
    with pytest.raises(NotImplementedError, match="_register_namedtuple"):
        pytree.treespec_dumps(spec)
    pytree._register_namedtuple(Pair, serialized_type_name="tests.Pair")
    assert pytree.treespec_loads(pytree.treespec_dumps(spec)) == spec


def test_old_names_warn():
    with pytest.warns(FutureWarning, match="is deprecated"):
        assert pytree.LeafSpec() == pytree.treespec_leaf()
    with pytest.warns(FutureWarning, match="treespec_dumps"):
        pytree.pytree_to_str(pytree.tree_structure([1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pytree.treespec_leaf()
