"""The repr of tensors against recorded PyTorch texts (see tests/recorded/make_printing.py)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from chainrule.core import dtype as dtypes
from chainrule.core import printing

RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "recorded" / "printing.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    printing.set_printoptions(profile="default")
    yield
    printing.set_printoptions(profile="default")


def torch_dtype(name: str) -> dtypes.dtype:
    found: dtypes.dtype = getattr(dtypes, "bool_" if name == "bool" else name)
    return found


def array(case: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    name = case["dtype"]
    data = case["data"]
    if name.startswith("complex"):
        data = [complex(float(real), float(imaginary)) for real, imaginary in data]
    elif "float" in name:
        data = list(map(float, data))
    return np.resize(np.array(data, ml_dtypes.bfloat16 if name == "bfloat16" else name), shape)


def shown_dtype(name: str, no_values: bool) -> str | None:
    return f"torch.{name}" if printing.shows_dtype(torch_dtype(name), dtypes.float32, no_values=no_values) else None


def identity(case: dict[str, Any]) -> str:
    return "-".join([case["dtype"], "x".join(map(str, case["shape"])), *(f"{k}={v}" for k, v in case.get("options", {}).items())])


@pytest.mark.parametrize("case", RECORDED["values"], ids=identity)
def test_text_of_values(case: dict[str, Any]) -> None:
    value = array(case, tuple(case["shape"]))
    printing.set_printoptions(**case["options"])
    how = {"dtype_name": shown_dtype(case["dtype"], value.size == 0), "suffixes": case["suffixes"]}
    assert printing.tensor_repr(value, **how) == case["repr"]
    if not value.ndim:
        assert printing.tensor_repr(value[()], **how) == case["repr"]


@pytest.mark.parametrize("case", RECORDED["values"][::7], ids=identity)
def test_memory_order_does_not_change_the_text(case: dict[str, Any]) -> None:
    printing.set_printoptions(**case["options"])
    value = array(case, tuple(case["shape"]))
    strided = np.repeat(np.asfortranarray(value), 2, axis=-1)[..., ::2] if value.ndim else value
    assert printing.tensor_repr(strided) == printing.tensor_repr(value)


@pytest.mark.parametrize("case", RECORDED["meta"], ids=identity)
def test_meta_tensor_prints_its_shape(case: dict[str, Any]) -> None:
    text = printing.tensor_repr(
        None, is_meta=True, size=case["shape"], dtype_name=shown_dtype(case["dtype"], True), suffixes=case["suffixes"]
    )
    assert text == case["repr"]


@pytest.mark.parametrize("case", RECORDED["dtypes"], ids=lambda case: f"{case['dtype']}-default-{case['default']}")
def test_dtype_is_named_where_the_values_do_not_tell(case: dict[str, Any]) -> None:
    pair = torch_dtype(case["dtype"]), torch_dtype(case["default"])
    assert printing.shows_dtype(*pair) is case["with_values"]
    assert printing.shows_dtype(*pair, no_values=True) is case["empty"]


@pytest.mark.parametrize("case", RECORDED["formats"], ids=lambda case: f"{case['dtype']}-{case['spec']}")
def test_format_is_that_of_the_item(case: dict[str, Any]) -> None:
    value = array(case, ())
    assert printing.item_format(value, case["spec"]) == case["text"]
    assert printing.item_format(value[()], case["spec"]) == case["text"]


def test_options_after_every_call() -> None:
    for case in RECORDED["options"]:
        printing.set_printoptions(**case["call"])
        expected = {name: math.inf if value == "inf" else value for name, value in case["options"].items()}
        assert printing.get_printoptions() == expected, case["call"]


def test_options_come_back_after_the_block() -> None:
    printing.set_printoptions(precision=6, sci_mode=True)
    before = printing.get_printoptions()
    with printing.printoptions(profile="full", linewidth=33):
        assert printing.get_printoptions() == {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 33, "sci_mode": None}
    assert printing.get_printoptions() == before
    with pytest.raises(KeyError), printing.printoptions(threshold=1):
        raise KeyError
    assert printing.get_printoptions() == before


def test_unknown_option_changes_nothing() -> None:
    before = printing.get_printoptions()
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'width'"), printing.printoptions(width=3):
        pass
    assert printing.get_printoptions() == before


def test_prefix_sets_the_indent() -> None:
    value = np.arange(4.0, dtype=np.float32).reshape(2, 2)
    assert printing.tensor_repr(value, prefix="Image(") == "Image([[0., 1.],\n       [2., 3.]])"


def test_long_suffix_starts_a_line_of_its_own() -> None:
    tangent = "tangent=" + printing.tensor_repr(np.full(8, 0.5, np.float32))
    text = printing.tensor_repr(np.ones(2, np.float32), suffixes=["grad_fn=<MulBackward0>", tangent])
    assert text == f"tensor([1., 1.], grad_fn=<MulBackward0>,\n       {tangent})"


def test_line_without_a_width_limit() -> None:
    printing.set_printoptions(linewidth=math.inf)  # type: ignore[arg-type]
    text = printing.tensor_repr(np.arange(500), suffixes=["grad_fn=<MulBackward0>"])
    assert text == "tensor([" + ", ".join(f"{i:3d}" for i in range(500)) + "], grad_fn=<MulBackward0>)"


def test_summary_touches_only_the_corners() -> None:
    huge = np.broadcast_to(np.float32(1.5), (7, 10**12))
    assert printing.tensor_repr(huge).splitlines()[0] == "tensor([[1.5000, 1.5000, 1.5000,  ..., 1.5000, 1.5000, 1.5000],"
