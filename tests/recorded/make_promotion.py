"""Record PyTorch's promotion: `python tests/recorded/make_promotion.py` writes promotion.json beside it.

An operand is `float32[]` (a tensor with dimensions), `float32` (a 0-d tensor) or the name of a Python type. A refusal is
recorded as its message.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch

NAMES = (
    "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz"
    " float16 bfloat16 float32 float64 complex32 complex64 complex128"
).split()
NUMBERS = {"number bool": True, "number int": 1, "number float": 1.0, "number complex": 1j}
DEFAULTS = ("float32", "float64", "bfloat16")


def name_or_error(function: Any, *arguments: Any) -> str:
    try:
        return str(function(*arguments)).removeprefix("torch.")
    except RuntimeError as error:
        return str(error)


def result_types(default: str) -> dict[str, dict[str, str]]:
    torch.set_default_dtype(getattr(torch, default))
    operands: dict[str, Any] = {}
    for name in NAMES:
        operands[f"{name}[]"] = torch.empty(2, dtype=getattr(torch, name))
        operands[name] = torch.empty((), dtype=getattr(torch, name))
    operands |= NUMBERS
    table = {a: {b: name_or_error(torch.result_type, x, y) for b, y in operands.items()} for a, x in operands.items()}
    torch.set_default_dtype(torch.float32)
    return table


def changed(table: dict[str, dict[str, str]], reference: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The entries that differ from the reference table's."""
    rows = {a: {b: result for b, result in row.items() if reference[a][b] != result} for a, row in table.items()}
    return {a: row for a, row in rows.items() if row}


def main() -> None:
    warnings.simplefilter("ignore")
    dtypes = {name: getattr(torch, name) for name in NAMES}
    reference = result_types(DEFAULTS[0])
    record = {
        "torch": torch.__version__.partition("+")[0],
        "promote_types": {a: {b: name_or_error(torch.promote_types, x, y) for b, y in dtypes.items()} for a, x in dtypes.items()},
        "can_cast": {a: [b for b, y in dtypes.items() if torch.can_cast(x, y)] for a, x in dtypes.items()},
        "result_type": reference,
        "result_type_changes": {default: changed(result_types(default), reference) for default in DEFAULTS[1:]},
    }
    lines = [f'"{section}": {{\n' + ",\n".join(f'  "{k}": {json.dumps(v)}' for k, v in content.items()) + "\n}"
             for section, content in record.items() if isinstance(content, dict)]  # fmt: skip
    text = '{\n"torch": ' + json.dumps(record["torch"]) + ",\n" + ",\n".join(lines) + "\n}\n"
    Path(__file__).with_name("promotion.json").write_text(text)


if __name__ == "__main__":
    main()
