"""Promotion against the table recorded from PyTorch, and its algebra."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from chainrule.core import dtype, promotion

RECORD = json.loads((Path(__file__).parents[1] / "recorded" / "promotion.json").read_text())
DTYPES = {d.name: d for d in dtype.DTYPES}


@pytest.fixture
def default(request):
    dtype.set_default_dtype(DTYPES[request.param])
    yield request.param
    dtype.set_default_dtype(dtype.float32)


def operand(text):
    if text.startswith("number "):
        return {"bool": bool, "int": int, "float": float, "complex": complex}[text.split()[1]]
    return (DTYPES[text.removesuffix("[]")], not text.endswith("[]"))


def name_or_error(function, *arguments):
    try:
        return function(*arguments).name
    except RuntimeError as error:
        return str(error)


def test_the_record_covers_every_dtype():
    assert set(RECORD["promote_types"]) == set(DTYPES)


def test_promote_types():
    for a, row in RECORD["promote_types"].items():
        for b, expected in row.items():
            assert name_or_error(promotion.promote_types, DTYPES[a], DTYPES[b]) == expected, (a, b)


def test_can_cast():
    for a, targets in RECORD["can_cast"].items():
        assert [b for b in DTYPES if promotion.can_cast(DTYPES[a], DTYPES[b])] == targets


@pytest.mark.parametrize("default", ["float32", "float64", "bfloat16"], indirect=True)
def test_result_dtype_of_every_pair(default):
    changes = RECORD["result_type_changes"].get(default, {})
    for a, row in RECORD["result_type"].items():
        for b, expected in (row | changes.get(a, {})).items():
            assert name_or_error(promotion.result_dtype, [operand(a), operand(b)]) == expected, (a, b)
            if b.startswith("number ") and not a.startswith("number "):
                category = promotion.type_category(operand(b))
                assert name_or_error(promotion.scalar_result, operand(a)[0], category) == expected, (a, b)


def test_three_priorities_at_once():
    items = [(dtype.int32, False), (dtype.float64, True), complex]
    for order in itertools.permutations(items):
        assert promotion.result_dtype(order) is dtype.complex128
    assert promotion.result_dtype([(dtype.bool_, False), (dtype.uint8, True), int]) is dtype.uint8
    assert promotion.result_dtype([(dtype.float16, False), (dtype.float64, True), float]) is dtype.float16
    assert promotion.result_dtype([(dtype.int8, True), (dtype.int16, True), int]) is dtype.int16
    with pytest.raises(ValueError, match="at least one operand"):
        promotion.result_dtype([])


def test_promotion_is_commutative_and_idempotent_where_defined():
    for (a, b), joined in promotion.PROMOTE.items():
        assert promotion.PROMOTE[b, a] is joined
        assert promotion.PROMOTE[joined, a] is joined
        assert promotion.castable(a, joined)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, "bool"), (np.bool_(True), "bool"), (3, "int64"), (np.uint8(3), "int64"), (1.5, "float32"), (np.float64(1.5), "float32"),
     (np.float16(1), "float32"), (1j, "complex64"), (np.complex128(1j), "complex64")],
)  # fmt: skip
def test_scalar_dtype(value, expected):
    assert promotion.scalar_dtype(value).name == expected


def test_scalars_follow_the_default_dtype():
    dtype.set_default_dtype(dtype.float64)
    try:
        assert promotion.scalar_dtype(1.0) is dtype.float64
        assert promotion.scalar_dtype(1j) is dtype.complex128
        assert promotion.scalar_result(dtype.int8, dtype.FLOAT) is dtype.float64
        assert promotion.scalar_result(dtype.float32, dtype.COMPLEX) is dtype.complex64
    finally:
        dtype.set_default_dtype(dtype.float32)


@pytest.mark.parametrize("value", ["1", None, [1], object()])
def test_a_scalar_must_be_a_number(value):
    with pytest.raises(TypeError, match="expected a number"):
        promotion.scalar_dtype(value)


def test_errors_name_the_argument():
    with pytest.raises(TypeError, match=r"promote_types\(\): argument 'type2' \(position 2\) must be torch.dtype, not str"):
        promotion.promote_types(dtype.int8, "int8")
    with pytest.raises(TypeError, match=r"can_cast\(\): argument 'from_' \(position 1\) must be torch.dtype, not NoneType"):
        promotion.can_cast(None, dtype.int8)
