"""What is said of an index that is out of bounds: one text for eager operations and for compiled programs."""

from __future__ import annotations

from typing import Any

_PLACE = "index {index} is out of bounds for dimension {dim} with size {size}"

#: By what is indexed: the exception and its text, as PyTorch has them.
SAID: dict[str, tuple[type[Exception], str]] = {
    "elements": (IndexError, "index {index} is out of bounds for {size} elements"),
    "index": (IndexError, _PLACE),
    "gather": (RuntimeError, _PLACE),
    "rows": (IndexError, "index out of range in self"),
    "index_copy": (IndexError, f"index_copy_(): {_PLACE}"),
    "take": (IndexError, "out of range: tried to access index {index} on a tensor of {size} elements."),
    "target": (IndexError, "Target {index} is out of bounds."),
    "margin_target": (RuntimeError, "target out of range"),
    "one_hot": (RuntimeError, "Class values must be smaller than num_classes."),
    "masked_scatter": (RuntimeError, "Number of elements of source < number of ones in mask"),
}
_NEGATIVE = {"one_hot": "Class values must be non-negative."}


def beyond(said: str, index: Any, size: int, dim: int = 0) -> Exception:
    """The exception for an index.

    Example::

        >>> beyond("gather", 7, 5, 1)
        RuntimeError('index 7 is out of bounds for dimension 1 with size 5')
    """
    kind, text = SAID[said]
    if index < 0:
        text = _NEGATIVE.get(said, text)
    return kind(text.format(index=int(index), dim=dim, size=size))


__all__: list[str] = []
