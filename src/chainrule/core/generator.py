"""The random generator: PyTorch's CPU Mersenne Twister, its state in PyTorch's bytes, and uniform numbers drawn from it.

The distributions are in `sampling` and `rejection`. NumPy's MT19937 does the twisting and is loaded by the first draw:
importing numpy.random takes longer than importing NumPy's own core needs for everything chainrule uses of it.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from .device import cpu, device
from .modes import MODES
from .naming import TorchNamed, type_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

BLOCK = 624  # words that one twist of the state gives
_FRESH = BLOCK + 1  # position of a generator that was seeded and not drawn from: PyTorch's bytes tell it from BLOCK
_DEFAULT_SEED = 67280421310721
_NO_WORDS: Words = np.empty(0, np.uint64)
_LOW_24 = np.int32(2**24 - 1)
_LOW_53 = np.uint64(2**53 - 1)
_32 = np.uint64(32)

# torch.get_rng_state(), field by field.
_STATE = np.dtype(
    {
        "names": ["seed", "left", "seeded", "next", "key", "normal", "normal_valid", "float_normal", "float_normal_valid"],
        "formats": ["u8", "i4", "i4", "u8", ("u8", BLOCK), "f8", "i4", "f4", "?"],
        "offsets": [0, 8, 12, 16, 24, 5024, 5040, 5048, 5052],
        "itemsize": 5056,
    }
)


class _Twister:
    """NumPy's Mersenne Twister as a function from a key to words, lent to whichever generator needs its next block."""

    def __init__(self) -> None:
        import ctypes

        from numpy.random import MT19937, RandomState

        self._bits = bits = MT19937(0)
        # The key and, behind it, the position, in place: going through `bits.state` takes a hundred times as long.
        memory: Any = (ctypes.c_uint32 * (BLOCK + 1)).from_address(bits.ctypes.state_address)
        self._memory: NDArray[np.uint32] = np.frombuffer(memory, np.uint32)
        if not np.array_equal(self._memory[:BLOCK], bits.state["state"]["key"]):
            raise ImportError(f"NumPy {np.__version__} stores its Mersenne Twister in an unknown layout")
        self._seed = RandomState(bits).seed
        self._lock = allocate_lock()

    def seed(self, seed: int) -> NDArray[np.uint32]:
        """The key that a seed stands for; only the seed's low 32 bits count."""
        with self._lock:
            self._seed(seed & 0xFFFFFFFF)
            return self._memory[:BLOCK].copy()

    def following(self, key: NDArray[np.uint32], blocks: int) -> Words:
        """The words of the `blocks` blocks after `key`'s own; `key` becomes that of the last."""
        return self._run(key, BLOCK, blocks)

    def words_of(self, key: NDArray[np.uint32]) -> Words:
        """The words of `key`'s own block."""
        return self._run(key, 0, 1)

    def _run(self, key: NDArray[np.uint32], position: int, blocks: int) -> Words:
        with self._lock:
            self._memory[:BLOCK] = key
            self._memory[BLOCK] = position
            words: Words = self._bits.random_raw(BLOCK * blocks)
            key[:] = self._memory[:BLOCK]
        return words


_loaded: list[_Twister] = []


def _twister() -> _Twister:
    if not _loaded:
        _loaded.append(_Twister())
    return _loaded[0]


def _unit_float32(words: Words) -> NDArray[np.float32]:
    low = words.astype(np.int32)
    low &= _LOW_24
    unit = low.astype(np.float32)
    unit *= np.float32(2**-24)
    return unit


def _joined(high: Words, low: Words) -> Words:
    pairs = high << _32
    pairs |= low
    return pairs


def _unit_float64(high: Words, low: Words) -> NDArray[np.float64]:
    pairs = _joined(high, low)
    pairs &= _LOW_53
    unit = pairs.view(np.int64).astype(np.float64)
    unit *= 2.0**-53
    return unit


def _tell_capture() -> None:
    """A stream that starts anew inside of a function is not what a compiled program repeats."""
    if MODES.recorder is not None:
        MODES.recorder.draw_all("the state of a random stream is set")
        MODES.recorder.note("a random stream is started anew")



class Generator(metaclass=TorchNamed):
    """A stream of random numbers: for the same seed, those of `torch.Generator()` on the CPU.

    RuntimeError if `device` is not the CPU.

    >>> from chainrule.core.generator import Generator
    >>> Generator().manual_seed(0).initial_seed()
    0
    """

    # `_words` is the current block, `_pos` how many of it are used, `_key` the twister's state that gave it (None until
    # a seed is first used). `_floats` and `_doubles` hold the block as uniform numbers once a small draw wanted them.
    __slots__ = (
        "__weakref__",
        "_doubles",
        "_float_normal",
        "_floats",
        "_key",
        "_pos",
        "_seed",
        "_words",
        "lock",
        "next_normal",
    )

    next_normal: float | None  # second half of the last pair of normal numbers, when it waits for its draw

    def __init__(self, device: Any = None) -> None:
        if device is not None and device is not cpu and device != "cpu":
            _require_cpu(device)
        self.lock = allocate_lock()  # held by whoever draws, for the length of one operation
        self._restart(_DEFAULT_SEED)

    def _restart(self, seed: int) -> None:
        self._seed = seed
        self._key: NDArray[np.uint32] | None = None
        self._move(_NO_WORDS, _FRESH)
        self.next_normal = None
        self._float_normal = (0.0, False)

    def _move(self, words: Words, position: int) -> None:
        self._words = words
        self._pos = position
        self._floats: NDArray[np.float32] | None = None
        self._doubles: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"

    @property
    def device(self) -> device:
        """Where its numbers are made: `device(type='cpu')`."""
        return cpu

    # Seeds

    def manual_seed(self, seed: int, /) -> Self:
        """Start the stream of `seed`, from -2**63 to 2**64 - 1 (a negative one counts from 2**64). Returns the generator.

        RuntimeError if it is not an integer, ValueError if it is out of range.
        """
        _tell_capture()
        with self.lock:
            self._restart(_as_seed(seed))
        return self

    def seed(self) -> int:
        """Start a stream that nobody can predict; returns its 64-bit seed."""
        chosen = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(chosen)
        return chosen

    def initial_seed(self) -> int:
        """The seed of the present stream."""
        return self._seed

    # State

    def _get_state_array(self) -> NDArray[np.uint8]:
        """The state in PyTorch's 5056 bytes, as a new array."""
        if MODES.recorder is not None:
            MODES.recorder.draw_all("the state of a random stream is read")
        with self.lock:
            record = np.zeros(1, _STATE)
            record["seed"] = self._seed
            record["left"] = max(BLOCK + 1 - self._pos, 1)
            record["seeded"] = 1
            record["next"] = self._pos % _FRESH
            record["key"] = self._present_key()
            if self.next_normal is not None:
                record["normal"] = self.next_normal
                record["normal_valid"] = 1
            record["float_normal"], record["float_normal_valid"] = self._float_normal
            return record.view(np.uint8)

    def _set_state_array(self, state: NDArray[np.uint8]) -> None:
        """Take over a state in PyTorch's bytes; TypeError or RuntimeError if `state` is not one."""
        _tell_capture()
        if not isinstance(state, np.ndarray):
            raise TypeError(f"expected a torch.ByteTensor, but got {type_name(state)}")
        if state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if not state.flags.c_contiguous:
            raise RuntimeError("RNG state must be contiguous")
        if state.size != _STATE.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {_STATE.itemsize} but found the input RNG state size to be {state.size}"
            )
        record = state.reshape(-1).view(_STATE)[0]
        left, position = int(record["left"]), int(record["next"])
        if not (record["seeded"] and 1 <= left <= BLOCK and position <= BLOCK):
            raise RuntimeError("Invalid mt19937 state")
        if left == 1:  # nothing of the block is left, wherever `next` points
            position = BLOCK if position else _FRESH
        with self.lock:
            self._seed = int(record["seed"])
            self._key = record["key"].astype(np.uint32)
            self._move(_NO_WORDS if position >= BLOCK else _twister().words_of(self._key), position)
            self.next_normal = float(record["normal"]) if record["normal_valid"] else None
            self._float_normal = (float(record["float_normal"]), bool(record["float_normal_valid"]))

    def get_state(self) -> NDArray[np.uint8]:
        """The state as 5056 bytes, those of `torch.Generator.get_state`."""
        return self._get_state_array()

    def set_state(self, new_state: NDArray[np.uint8]) -> Self:
        """Continue from a state of `get_state`, or of PyTorch's. Returns the generator."""
        self._set_state_array(new_state)
        return self

    def clone_state(self) -> Self:
        """A new generator that continues as this one would."""
        twin = type(self)()
        with self.lock:
            twin._seed, twin._key = self._seed, None if self._key is None else self._key.copy()
            twin._move(self._words, self._pos)
            twin.next_normal, twin._float_normal = self.next_normal, self._float_normal
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (cpu,), self._get_state_array()

    def __setstate__(self, state: NDArray[np.uint8]) -> None:
        self._set_state_array(state)

    def get_offset(self) -> NoReturn:
        """RuntimeError: only the generators of accelerators count an offset."""
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> NoReturn:
        """RuntimeError: only the generators of accelerators count an offset."""
        raise RuntimeError("CPU Generator does not use offset")

    # Draws. The caller holds `lock`, and must not write into what it gets: it may be a piece of the current block.

    def words(self, count: int) -> Words:
        """The next `count` 32-bit words."""
        position = self._pos
        end = position + count
        if end > BLOCK:
            return self._beyond(count)
        self._pos = end
        return self._words[position:end]

    def word_pairs(self, count: int) -> Words:
        """`count` 64-bit integers, each of two words, the first one high."""
        words = self.words(2 * count)
        return _joined(words[0::2], words[1::2])

    def floats(self, count: int) -> NDArray[np.float32]:
        """`count` float32 numbers in [0, 1), multiples of 2**-24, one word each."""
        position = self._pos
        end = position + count
        if end > BLOCK:
            return _unit_float32(self._beyond(count))
        block = self._floats
        if block is None:
            block = self._floats = _unit_float32(self._words)
        self._pos = end
        return block[position:end]

    def doubles(self, count: int) -> NDArray[np.float64]:
        """`count` float64 numbers in [0, 1), multiples of 2**-53, two words each."""
        position = self._pos
        end = position + 2 * count
        if end > BLOCK:
            words = self._beyond(2 * count)
            return _unit_float64(words[0::2], words[1::2])
        self._pos = end
        return self._block_doubles()[position:end:2]

    def each_double(self) -> Iterator[float]:
        """What `doubles` would give, one by one without end; those not asked for stay undrawn."""
        while True:
            position = self._pos
            if position > BLOCK - 2:
                yield float(self.doubles(1)[0])
                continue
            for number in self._block_doubles()[position::2].tolist():
                self._pos += 2
                yield number

    def _block_doubles(self) -> NDArray[np.float64]:
        """The numbers that begin at each word of the current block but the last."""
        block = self._doubles
        if block is None:
            block = self._doubles = _unit_float64(self._words[:-1], self._words[1:])
        return block

    def _present_key(self) -> NDArray[np.uint32]:
        if self._key is None:
            self._key = _twister().seed(self._seed)
        return self._key

    def _beyond(self, count: int) -> Words:
        """The next `count` words, more than the current block still has."""
        if count == 0:
            return _NO_WORDS
        rest = self._words[self._pos :]
        missing = count - len(rest)
        blocks = -(-missing // BLOCK)
        fresh = _twister().following(self._present_key(), blocks)
        self._move(fresh if blocks == 1 else fresh[-BLOCK:].copy(), missing - (blocks - 1) * BLOCK)
        fresh = fresh[:missing]
        return np.concatenate((rest, fresh)) if len(rest) else fresh


def _require_cpu(where: Any) -> None:
    kind = (where if isinstance(where, device) else device(where)).type
    if kind == "meta":
        raise RuntimeError("META device type not an accelerator.")
    if kind != "cpu":
        raise RuntimeError(f"Cannot get {kind.upper()} generator without ATen_{kind} library.")


def _as_seed(seed: int) -> int:
    if isinstance(seed, np.integer):
        raise TypeError("an integer is required")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
    if not -(2**63) <= seed < 2**64:
        raise ValueError("Overflow when unpacking long long")
    return seed % 2**64


default_generator = Generator()
default_generator.seed()
