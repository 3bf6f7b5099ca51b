"""The same expressions on PyTorch's pytree module and on ours: value, error and warnings have to agree."""

import re
import time
import warnings
from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest
import torch.utils._pytree as theirs

import chainrule.utils._pytree as ours

P = namedtuple("P", "x y")
Q = namedtuple("Q", "x y")
NAMES = {"P": P, "Q": Q, "OrderedDict": OrderedDict, "defaultdict": defaultdict, "deque": deque, "time": time}

TREES = """
5 | None | [] | () | {} | [1, (2, 3)] | {'b': 1, 'a': (2, None)} | P(1, [2, 3]) | defaultdict(list, b=1, a=2)
OrderedDict(b=1, a=[2, 3]) | deque([1, 2], maxlen=3) | deque([1, [2]]) | time.localtime(0) | {1, 2} | range(3)
type('L', (list,), {})([1]) | type('D', (dict,), {})(a=1) | slice(1, 2) | [{'a': {'b': [1, 2, 3]}}, [[], {}]] | type('X', (P,), {})(1, 2)
"""
ON_EACH_TREE = """
p.tree_flatten(T) | p.tree_unflatten(p.tree_leaves(T), p.tree_structure(T)) | p.tree_leaves_with_path(T) | p.tree_is_leaf(T)
p.treespec_dumps(p.tree_structure(T)) | p.treespec_loads(p.treespec_dumps(p.tree_structure(T))) | p.treespec_pprint(p.tree_structure(T))
[p.tree_structure(T).num_leaves, p.tree_structure(T).num_nodes, p.tree_structure(T).num_children] | p.tree_map(lambda x: [x], T)
p.tree_structure(T).context | p.tree_structure(T).children() | p.tree_map_with_path(lambda k, x: p.keystr(k), T) | list(p.tree_iter(T))
p.is_namedtuple(T), p.is_namedtuple_instance(T), p.is_namedtuple_class(type(T)), p.is_structseq(T), p.is_structseq_class(type(T))
"""
OTHERS = """
p.tree_unflatten([1, 2], s)
p.tree_unflatten(3, s)
p.tree_unflatten([1], 5)
p.tree_unflatten([1, 2], p.treespec_leaf())
p.tree_map(lambda x, y: (x, y), [1, (2, 3)], [4, 5])
p.tree_map(lambda x, y: (x, y), [1, (2, 3)], [4, (5, 6, 7)])
p.tree_map(lambda x, y: (x, y), [1, 2], (4, 5))
p.tree_map(lambda x, y: (x, y), [1, 2], [[4], {'a': 5}])
p.tree_map(lambda x, y: (x, y), {'a': 1, 'b': 2}, {'a': 1, 'c': 2})
p.tree_map(lambda x, y: (x, y), {'a': 1, 'b': 2}, {'b': 1, 'a': 2})
p.tree_map(lambda x, y: (x, y), {'a': 1, 'b': 2}, OrderedDict(b=1, a=2))
p.tree_map(lambda x, y: (x, y), {'a': 1, 'b': 2}, {'a': 1})
p.tree_map(lambda x, y: (x, y), defaultdict(list, a=1), defaultdict(int, a=2))
p.tree_map(lambda x, y: (x, y), deque([1]), deque([2], maxlen=4))
p.tree_map(lambda x, y: (x, y), P(1, 2), P(3, 4))
p.tree_map(lambda x, y: (x, y), [1, 2], None)
p.tree_map(lambda x, y: (x, y), None, [1])
p.tree_map(lambda x: x * 2, [1, (2, 3)], is_leaf=lambda x: isinstance(x, tuple))
p.tree_map_(lambda x: None, [1])
p.tree_map_only(int, lambda x: x + 1, [1, 'a', 2.0])
p.tree_map_only((int, float), lambda x: x + 1, [1, 'a', 2.0])
p.tree_map_only(int | str, lambda x: x * 2, [1, 'a', 2.0])
p.tree_map_only(lambda x: x == 1, lambda x: x * 2, [1, 'a', 2.0])
p.tree_map_only(3, lambda x: x * 2, [1, 'a', 2.0])
p.tree_map_only_(int, lambda x: x + 1, [1, 'a', 2.0])
p.tree_all(bool, [1, 0]), p.tree_any(bool, [1, 0]), p.tree_all_only(int, bool, [1, 0.0]), p.tree_any_only(float, bool, [1, 0.0])
p.arg_tree_leaves(1, [2], a={'c': 3})
p._broadcast_to_and_flatten(1, s)
p._broadcast_to_and_flatten([1, 2, 3], s)
p._broadcast_to_and_flatten([1, 2], s)
p._broadcast_to_and_flatten((1, 2, 3), s)
p._broadcast_to_and_flatten([1, (2, 3), 4], s)
p._broadcast_to_and_flatten(None, s)
p._broadcast_to_and_flatten({'a': 1}, p.tree_structure(OrderedDict(a=[1, 2])))
p.key_get({'a': [1, 2]}, (p.MappingKey('a'), p.SequenceKey(1)))
[p.SequenceKey(1), str(p.SequenceKey(1)), p.MappingKey('a'), str(p.MappingKey('a')), p.GetAttrKey('a'), str(p.GetAttrKey('a'))]
p.SequenceKey(1) == p.SequenceKey(1), p.SequenceKey(1) == p.MappingKey(1), p.SequenceKey(1).get([1, 2])
s.flatten_up_to([1, (2, 3), {'a': 4}])
s.flatten_up_to([1, 2, {'a': 4}])
p.tree_structure((1, 2)).flatten_up_to(P(1, 2))
p.TreeSpec(None, 3, [])
p.TreeSpec(None, None, [p.treespec_leaf()])
p.TreeSpec(list, None, [p.treespec_leaf()]) == p.tree_structure([1])
p.treespec_tuple([p.treespec_leaf()]), p.treespec_dict({'b': p.treespec_leaf()}, a=p.treespec_leaf())
p.treespec_tuple([1])
p.treespec_dict({'a': 3})
p.treespec_loads('[5, 1]')
p.treespec_loads('[1, {"type": "nope.C", "context": "null", "children_spec": []}]')
p.treespec_dumps(s, protocol=7)
p.treespec_dumps({'a': 1})
p.treespec_dumps(p.tree_structure({p.MappingKey: 1}))
p.pytree_to_str(s)
s.children_specs
s.child(1), s.is_leaf(), s.type, s != p.tree_structure(1), s == 1
isinstance(p.treespec_leaf(), p.LeafSpec)
p._is_leaf([1])
p._is_namedtuple_instance(P(1, 2))
p.register_pytree_node(list, None, None)
p.register_constant(object)
p.register_dataclass(object)
p._deregister_pytree_node(object)
"""


def split(text):
    return [e.strip() for line in text.strip().splitlines() for e in line.split(" | ")]


def answer(expression, module):
    names = {**NAMES, "p": module, "s": module.tree_structure([1, (2, 3), {"a": 4}])}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = repr(eval(expression, names))
        except Exception as e:
            value = f"{type(e).__name__}: {e}"
    told = [f"{w.category.__name__}: {w.message}" for w in caught]
    return re.sub(r"0x[0-9a-f]+", "0x", value), told


@pytest.mark.parametrize("tree", split(TREES))
def test_every_tree(tree):
    for expression in split(ON_EACH_TREE):
        expression = expression.replace("T)", f"{tree})")
        assert answer(expression, ours) == answer(expression, theirs), expression


@pytest.mark.parametrize("expression", OTHERS.strip().splitlines())
def test_expression(expression):
    assert answer(expression, ours) == answer(expression, theirs)
