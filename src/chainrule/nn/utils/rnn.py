"""Batches of sequences of different lengths (``torch.nn.utils.rnn``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ...core.dtype import int64
from ...core.tensor import Tensor
from ...ops.creation import as_tensor
from ...ops.factories import arange
from ...ops.packing import pack_padded, pad_packed, pad_sequences

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence",
    "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class PackedSequence_(NamedTuple):
    """The fields of :class:`PackedSequence`."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """Sequences without padding: the rows of step 0, then those of step 1, …; ``batch_sizes``: how many each step has.

    ``sorted_indices``: how the batch was put in order of falling lengths; ``unsorted_indices``: the way back.
    """

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Tensor | None = None, unsorted_indices: Tensor | None = None
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. They should be"
                " instantiated by functions like pack_sequence and pack_padded_sequences in nn.utils.rnn."
                " https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Convert the data, as :meth:`Tensor.to`; itself where there is nothing to do."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def cpu(self) -> PackedSequence:
        """On the CPU."""
        return self.to("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On a CUDA device; the error of :meth:`Tensor.cuda` where there is none."""
        return type(self)(self.data.cuda(*args, **kwargs), self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def pin_memory(self) -> PackedSequence:
        """With the data in pinned memory."""
        return type(self)(self.data.pin_memory(), self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def double(self) -> PackedSequence:
        """As float64."""
        return self._as(self.data.double())

    def float(self) -> PackedSequence:
        """As float32."""
        return self._as(self.data.float())

    def half(self) -> PackedSequence:
        """As float16."""
        return self._as(self.data.half())

    def long(self) -> PackedSequence:
        """As int64."""
        return self._as(self.data.long())

    def int(self) -> PackedSequence:
        """As int32."""
        return self._as(self.data.int())

    def short(self) -> PackedSequence:
        """As int16."""
        return self._as(self.data.short())

    def char(self) -> PackedSequence:
        """As int8."""
        return self._as(self.data.char())

    def byte(self) -> PackedSequence:
        """As uint8."""
        return self._as(self.data.byte())

    def _as(self, data: Tensor) -> PackedSequence:
        return self.to(data.dtype)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a CUDA device."""
        return bool(self.data.is_cuda)

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return bool(self.data.is_pinned())


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that takes ``permutation`` back."""
    if permutation is None:
        return None
    order: Any = permutation
    return order.zeros_like().scatter_(0, order, arange(order.numel(), dtype=order.dtype))  # type: ignore[no-any-return]


def pack_padded_sequence(input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> PackedSequence:
    """Pack a padded batch (T, N, …), or (N, T, …) with ``batch_first``, of sequences of the given lengths.

    They have to come in order of falling lengths unless ``enforce_sorted`` is False.  Raises RuntimeError for lengths that
    do not fit.

    >>> import chainrule as torch
    >>> x = torch.tensor([[1, 2, 0], [3, 4, 5]])
    >>> p = torch.nn.utils.rnn.pack_padded_sequence(x, [2, 3], batch_first=True, enforce_sorted=False)
    >>> p.data, p.batch_sizes
    (tensor([3, 1, 4, 2, 5]), tensor([2, 2, 1]))
    """
    counts: Any = as_tensor(lengths, dtype=int64)
    x: Any = input
    order = None
    if not enforce_sorted:
        counts, order = counts.sort(descending=True)
        x = x.index_select(0 if batch_first else 1, order)
    data, sizes = pack_padded(x, counts, batch_first)
    return PackedSequence(data, sizes, order, None)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The padded batch of a packed one, in its first order, and the lengths.  ``total_length``: pad to so many steps.

    Raises ValueError for a ``total_length`` shorter than the longest sequence.
    """
    steps = sequence.batch_sizes.shape[0]
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got"
                f" total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    padded: Any
    lengths: Any
    padded, lengths = pad_packed(sequence.data, sequence.batch_sizes, batch_first, padding_value, steps)
    back = sequence.unsorted_indices
    if back is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, back), lengths[back]


def pad_sequence(sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right") -> Tensor:
    """Tensors (L, …) of different lengths, padded and stacked to (longest, N, …), or (N, longest, …) with ``batch_first``.

    >>> import chainrule as torch
    >>> torch.nn.utils.rnn.pad_sequence([torch.tensor([1, 2]), torch.tensor([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}")
    return pad_sequences(tuple(sequences), batch_first, padding_value, padding_side)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, without the padding on the right."""
    x: Any = padded_sequences
    if not batch_first:
        x = x.transpose(0, 1)
    if len(x) != len(lengths):
        raise ValueError(f"zip() argument 2 is {'shorter' if len(lengths) < len(x) else 'longer'} than argument 1")
    return [s[: int(n)] for s, n in zip(x, lengths, strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack tensors (L, …) of different lengths; in order of falling lengths unless ``enforce_sorted`` is False."""
    lengths = as_tensor([s.shape[0] for s in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch, in their first order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
