"""Element types: one object per dtype, and the two lookups between them and NumPy's.

ml_dtypes is imported when the first bfloat16 or float8 value needs its NumPy dtype: it costs 5 ms, which a program
that computes in float32 should not pay at import.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, NoReturn, Self, final

import numpy as np

from .epoch import turned
from .naming import TorchNamed, argument_error, closed, immutable

if TYPE_CHECKING:
    from numpy.typing import NDArray

BOOL, INT, FLOAT, COMPLEX = 0, 1, 2, 3


class _ExtensionStorage:
    """Non-data descriptor behind `dtype.np`: reached only by a dtype whose NumPy dtype is not in its `__dict__` yet."""

    def __get__(self, owner: dtype | None, kind: type | None = None) -> Any:
        if owner is None:
            return self
        if owner.name == "complex32":
            raise TypeError("complex32 has no storage on the CPU here: NumPy has no half-precision complex type, use complex64")
        load_extensions()
        return owner.__dict__["np"]


@final
class dtype(metaclass=TorchNamed):
    """The type of a tensor's elements. The instances are the module's constants; compare them with `is` or `==`.

    >>> import chainrule as torch
    >>> torch.float32.itemsize, torch.float32.is_floating_point
    (4, True)
    """

    __slots__ = (
        "__dict__",
        "abbr",
        "category",
        "cpp_name",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "name",
        "scalar_name",
    )  # fmt: skip
    __module__ = "chainrule"

    name: str
    itemsize: builtins.int
    category: builtins.int  # BOOL, INT, FLOAT or COMPLEX
    is_floating_point: builtins.bool
    is_complex: builtins.bool
    is_signed: builtins.bool
    abbr: str
    scalar_name: str  # "Float": in messages, and in "torch.FloatTensor"
    cpp_name: str  # "c10::Half": in the messages of matmul

    np = _ExtensionStorage()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        raise TypeError("cannot create 'torch.dtype' instances")

    def __init_subclass__(cls, **kwargs: Any) -> NoReturn:
        raise closed("dtype")

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        if hasattr(dtype, name):
            raise immutable("dtype", name)
        raise AttributeError(f"'torch.dtype' object has no attribute '{name}'")

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo: Any) -> dtype:
        return self

    def to_real(self) -> dtype:
        """The dtype of the real part; a real dtype is its own."""
        return _TO_REAL.get(self, self)

    def to_complex(self) -> dtype:
        """The complex dtype whose parts hold this one's values. RuntimeError for integers, bool and float8."""
        if self.is_complex:
            return self
        try:
            return _TO_COMPLEX[self]
        except KeyError:
            raise RuntimeError(f"Unknown Complex ScalarType for {self.scalar_name}") from None


def _define(
    name: str, itemsize: builtins.int, category: builtins.int, abbr: str, scalar_name: str, cpp_name: str, signed: builtins.bool = True
) -> dtype:
    made: dtype = object.__new__(dtype)
    values = {
        "name": name, "itemsize": itemsize, "category": category, "abbr": abbr, "scalar_name": scalar_name, "cpp_name": cpp_name,
        "is_floating_point": category == FLOAT, "is_complex": category == COMPLEX, "is_signed": signed,
    }  # fmt: skip
    for slot, value in values.items():
        object.__setattr__(made, slot, value)
    if name not in _EXTENSIONS and name != "complex32":
        made.__dict__["np"] = np.dtype(name)
    return made


_EXTENSIONS = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")

bool = bool_ = _define("bool", 1, BOOL, "b8", "Bool", "bool", signed=False)
uint8 = _define("uint8", 1, INT, "u8", "Byte", "unsigned char", signed=False)
int8 = _define("int8", 1, INT, "i8", "Char", "signed char")
int16 = short = _define("int16", 2, INT, "i16", "Short", "short int")
int32 = int = _define("int32", 4, INT, "i32", "Int", "int")
int64 = long = _define("int64", 8, INT, "i64", "Long", "long int")
uint16 = _define("uint16", 2, INT, "u16", "UInt16", "short unsigned int", signed=False)
uint32 = _define("uint32", 4, INT, "u32", "UInt32", "unsigned int", signed=False)
uint64 = _define("uint64", 8, INT, "u64", "UInt64", "long unsigned int", signed=False)
float8_e4m3fn = _define("float8_e4m3fn", 1, FLOAT, "f8e4m3fn", "Float8_e4m3fn", "c10::Float8_e4m3fn")
float8_e5m2 = _define("float8_e5m2", 1, FLOAT, "f8e5m2", "Float8_e5m2", "c10::Float8_e5m2")
float8_e4m3fnuz = _define("float8_e4m3fnuz", 1, FLOAT, "f8e4m3fnuz", "Float8_e4m3fnuz", "c10::Float8_e4m3fnuz")
float8_e5m2fnuz = _define("float8_e5m2fnuz", 1, FLOAT, "f8e5m2fnuz", "Float8_e5m2fnuz", "c10::Float8_e5m2fnuz")
float16 = half = _define("float16", 2, FLOAT, "f16", "Half", "c10::Half")
bfloat16 = _define("bfloat16", 2, FLOAT, "bf16", "BFloat16", "c10::BFloat16")
float32 = float = _define("float32", 4, FLOAT, "f32", "Float", "float")
float64 = double = _define("float64", 8, FLOAT, "f64", "Double", "double")
complex32 = chalf = _define("complex32", 4, COMPLEX, "c32", "ComplexHalf", "c10::complex<c10::Half>")
complex64 = cfloat = _define("complex64", 8, COMPLEX, "c64", "ComplexFloat", "c10::complex<float>")
complex128 = cdouble = _define("complex128", 16, COMPLEX, "c128", "ComplexDouble", "c10::complex<double>")

DTYPES: tuple[dtype, ...] = (
    bool_, uint8, int8, int16, int32, int64, uint16, uint32, uint64, float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz,
    float16, bfloat16, float32, float64, complex32, complex64, complex128,
)  # fmt: skip
FLOAT8 = frozenset((float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz))
# The unsigned integers that PyTorch added late: they take part in almost no promotion.
WIDE_UNSIGNED = frozenset((uint16, uint32, uint64))

_TO_REAL = {complex32: float16, complex64: float32, complex128: float64}
_TO_COMPLEX = {float16: complex32, bfloat16: complex64, float32: complex64, float64: complex128}


class _FromNumpy(dict[np.dtype[Any], dtype]):
    """NumPy dtype -> dtype. A miss loads the extension types once, then says what PyTorch says."""

    def __missing__(self, key: np.dtype[Any]) -> dtype:
        load_extensions()
        found = self.get(key)
        if found is not None:
            return found
        if not key.isnative:
            raise ValueError(
                "given numpy array has byte order different from the native byte order."
                " Conversion between byte orders is currently not supported."
            )
        raise TypeError(
            f"can't convert np.ndarray of type {key.type.__module__}.{key.type.__name__}. The only supported types are: float64, float32,"
            " float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
        )


FROM_NUMPY = _FromNumpy({d.__dict__["np"]: d for d in DTYPES if "np" in d.__dict__})


def load_extensions() -> None:
    """Give bfloat16 and the float8 types their NumPy dtypes. Called by whatever first needs one."""
    if "np" in bfloat16.__dict__:
        return
    import ml_dtypes

    for extension in DTYPES:
        if extension.name in _EXTENSIONS:
            storage = np.dtype(getattr(ml_dtypes, extension.name))
            FROM_NUMPY[storage] = extension
            extension.__dict__["np"] = storage


def of(storage: np.dtype[Any]) -> dtype:
    """The dtype whose elements NumPy stores as `storage`; TypeError or ValueError in PyTorch's words if there is none."""
    return FROM_NUMPY[storage]


def own(array: NDArray[Any]) -> NDArray[Any]:
    """The array under the dtype object that its dtype has here.  What was pickled, or read from a file, may have an equal one, and results
    would inherit it; compiled programs tell dtypes by identity.
    """
    kind = FROM_NUMPY[array.dtype].np
    return array if array.dtype is kind else array.view(kind)


class Defaults:
    """The dtypes that Python's floats and complex numbers become; `defaults` is the one instance."""

    __slots__ = ("complex", "floating")

    def __init__(self) -> None:
        self.floating = float32
        self.complex = complex64


defaults = Defaults()

_PYTHON_TYPES: dict[Any, dtype] = {builtins.bool: bool_, builtins.int: int64, builtins.float: float64, builtins.complex: complex128}


def as_dtype(value: Any, function: str = "tensor", argument: str = "dtype", position: builtins.int | None = None) -> dtype:
    """`value` as a dtype: one already, or Python's `bool`, `int`, `float` or `complex`. TypeError otherwise.

    The names are those the error mentions.
    """
    if isinstance(value, dtype):
        return value
    found: dtype | None = _PYTHON_TYPES.get(value) if isinstance(value, type) else None
    if found is None:
        raise argument_error(function, argument, "torch.dtype", value, position)
    return found


def get_default_dtype() -> dtype:
    """The floating-point dtype of new tensors that are given none.

    >>> import chainrule as torch
    >>> torch.get_default_dtype()
    torch.float32
    """
    return defaults.floating


def set_default_dtype(d: dtype, /) -> None:
    """Make `d`, a floating-point dtype, the default; the default complex dtype follows it. TypeError for any other."""
    if type(d) is not dtype:
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    if d in FLOAT8:
        raise TypeError(f"couldn't find storage object {d.scalar_name}Storage")
    defaults.floating = d
    defaults.complex = d.to_complex()
    turned()


__all__ = [
    "bfloat16",
    "bool",
    "cdouble",
    "cfloat",
    "chalf",
    "complex32",
    "complex64",
    "complex128",
    "double",
    "dtype",
    "float",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "half",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "long",
    "set_default_dtype",
    "short",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]  # fmt: skip
