"""Arrays that come from outside may have a dtype object of their own, equal to NumPy's; tensors never have."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.core.dtype import FROM_NUMPY


def foreign(kind: Any = np.float32) -> Any:
    return pickle.loads(pickle.dumps(np.arange(6).reshape(2, 3).astype(kind)))


def saved(x: Any) -> Any:
    file = io.BytesIO()
    torch.save(torch.from_numpy(x), file)
    file.seek(0)
    return torch.load(file)


MADE: dict[str, Callable[[Any], Any]] = {
    "from_numpy": torch.from_numpy,
    "tensor": torch.tensor,
    "as_tensor": torch.as_tensor,
    "asarray": torch.asarray,
    "a view": lambda x: torch.from_numpy(x)[1:].t(),
    "a result": lambda x: torch.from_numpy(x) + torch.from_numpy(x),
    "pickle": lambda x: pickle.loads(pickle.dumps(torch.from_numpy(x))),
    "pickle of a view": lambda x: pickle.loads(pickle.dumps(torch.from_numpy(x)[:, 1:])),
    "save and load": saved,
    "collated": lambda x: torch.utils.data.default_collate([x, x]),
}


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.longlong, np.bool_, np.complex64])
@pytest.mark.parametrize("how", MADE)
def test_a_tensor_has_the_dtype_object_of_its_dtype(how: str, kind: Any) -> None:
    assert foreign().dtype is not np.dtype(np.float32)
    made = MADE[how](foreign(kind))
    value = made._value
    assert value.dtype is FROM_NUMPY[value.dtype].np
    expected = MADE[how](np.arange(6).reshape(2, 3).astype(kind))
    np.testing.assert_array_equal(made.numpy(), expected.numpy())


def test_memory_is_shared_as_before() -> None:
    array = foreign()
    made = torch.from_numpy(array)
    array[0, 0] = 9
    assert made[0, 0] == 9
    first, second = pickle.loads(pickle.dumps([made, made[0]]))
    first[0, 0] = 7
    assert second[0] == 7
