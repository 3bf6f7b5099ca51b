"""dtypes and their two lookups, limits, devices, sizes and strides, without PyTorch at hand."""

from __future__ import annotations

import copy
import itertools
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import chainrule
from chainrule.core import device, dtype, info, size

NATIVE = [d for d in dtype.DTYPES if d.name != "complex32"]


@pytest.mark.parametrize("d", NATIVE, ids=repr)
def test_dtype_describes_its_numpy_storage(d):
    assert d.np.name == d.name
    assert d.np.itemsize == d.itemsize
    assert dtype.of(d.np) is d
    assert dtype.of(np.zeros(1, d.np).dtype) is d
    assert [d.category == c for c in (dtype.FLOAT, dtype.COMPLEX)] == [d.is_floating_point, d.is_complex]
    with np.errstate(all="ignore"):
        assert d.is_signed == (d.category > 0 and bool(np.array(-1).astype(d.np) < 0))


@pytest.mark.parametrize("d", dtype.DTYPES, ids=repr)
def test_dtypes_are_singletons(d):
    assert getattr(chainrule, d.name) is d
    assert repr(d) == f"torch.{d.name}"
    assert copy.copy(d) is d
    assert copy.deepcopy({"key": [d]})["key"][0] is d
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(d, protocol)) is d
    assert {d: 1}[d] == 1
    for action in (lambda: setattr(d, "itemsize", 3), lambda: setattr(d, "extra", 3), lambda: delattr(d, "nothing")):
        with pytest.raises(AttributeError):
            action()


def test_aliases():
    pairs = {"half": "float16", "float": "float32", "double": "float64", "short": "int16", "int": "int32", "long": "int64",
             "chalf": "complex32", "cfloat": "complex64", "cdouble": "complex128"}  # fmt: skip
    for alias, name in pairs.items():
        assert getattr(dtype, alias) is getattr(dtype, name)
    assert dtype.bool is dtype.bool_


def test_complex32_says_that_it_has_no_storage():
    assert dtype.complex32.itemsize == 4
    with pytest.raises(TypeError, match="use complex64"):
        dtype.complex32.np


def test_extension_types_load_at_first_use():
    code = (
        "import sys; from chainrule.core import dtype, info, promotion, device, size;"
        "assert 'ml_dtypes' not in sys.modules; info.finfo(dtype.float32); promotion.promote_types(dtype.bfloat16, dtype.int8);"
        "assert 'ml_dtypes' not in sys.modules; import ml_dtypes, numpy as np;"
        "assert dtype.of(np.dtype(ml_dtypes.bfloat16)) is dtype.bfloat16; assert dtype.float8_e5m2.np == ml_dtypes.float8_e5m2"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numpy_spellings_of_one_dtype():
    for spelling, d in (("q", dtype.int64), ("l", dtype.int64), ("i", dtype.int32), ("?", dtype.bool_), ("e", dtype.float16)):
        assert dtype.of(np.dtype(spelling)) is d
    with pytest.raises(ValueError, match="byte order different"):
        dtype.of(np.dtype(">f4"))
    with pytest.raises(TypeError, match=r"can't convert np\.ndarray of type numpy\.str_"):
        dtype.of(np.dtype("U3"))


def test_as_dtype():
    for python, d in ((float, dtype.float64), (int, dtype.int64), (bool, dtype.bool_), (complex, dtype.complex128)):
        assert dtype.as_dtype(python) is d
    for wrong, name in (("float32", "str"), (str, "type"), (np.float32, "type"), (3, "int"), ([], "list"), (None, "NoneType")):
        with pytest.raises(TypeError, match=rf"zeros\(\): argument 'dtype' must be torch.dtype, not {name}"):
            dtype.as_dtype(wrong, "zeros")


def test_real_and_complex_counterparts():
    assert dtype.complex64.to_real() is dtype.float32
    assert dtype.float64.to_complex() is dtype.complex128
    assert dtype.int8.to_real() is dtype.int8
    with pytest.raises(RuntimeError, match="Unknown Complex ScalarType for Long"):
        dtype.int64.to_complex()


def test_default_dtype():
    try:
        dtype.set_default_dtype(dtype.float64)
        assert dtype.get_default_dtype() is dtype.float64
        assert dtype.defaults.complex is dtype.complex128
        assert info.finfo().dtype == "float64"
        for wrong in (dtype.int32, dtype.complex64, "float32", float):
            with pytest.raises(TypeError, match="only floating-point types are supported as the default type"):
                dtype.set_default_dtype(wrong)
        assert dtype.get_default_dtype() is dtype.float64
    finally:
        dtype.set_default_dtype(dtype.float32)


def test_closed_classes():
    for kind in (dtype.dtype, device.layout, device.memory_format):
        with pytest.raises(TypeError, match="cannot create"):
            kind()
    for kind in (dtype.dtype, device.device, size.Size, info.finfo, info.iinfo):
        with pytest.raises(TypeError, match="is not an acceptable base type"):
            type("Derived", (kind,), {})
        assert repr(kind) == f"<class 'torch.{kind.__name__}'>"


def test_limits():
    for d in (dtype.float16, dtype.bfloat16, dtype.float32, dtype.float64):
        limits = info.finfo(d)
        one = np.ones((), d.np)
        assert float(one + np.asarray(limits.eps, d.np)) > 1.0
        assert float(one + np.asarray(limits.eps / 4, d.np)) == 1.0
        assert float(np.asarray(limits.max, d.np)) == limits.max == -limits.min
        assert limits.tiny == limits.smallest_normal
    for d in (dtype.uint8, dtype.int16, dtype.int64, dtype.uint64):
        assert (info.iinfo(d).min, info.iinfo(d).max) == (np.iinfo(d.np).min, np.iinfo(d.np).max)
    assert repr(info.iinfo(dtype.int32)) == "iinfo(min=-2.14748e+09, max=2.14748e+09, dtype=int32)"
    with pytest.raises(TypeError, match="requires a floating point input type"):
        info.finfo(dtype.int32)
    with pytest.raises(TypeError, match="requires an integer input type"):
        info.iinfo(dtype.float32)
    with pytest.raises(TypeError, match=r"not supported by torch\.iinfo"):
        info.iinfo(dtype.bool_)


def test_devices():
    assert device.device("cuda:1") == device.device("cuda", 1) != device.device("cuda")
    assert repr(device.device("cuda", 1)) == "device(type='cuda', index=1)"
    assert pickle.loads(pickle.dumps(device.device("cuda:1"))) == device.device("cuda:1")
    assert device.as_device("meta") is device.meta
    assert device.tensor_device(None) is device.tensor_device("cpu:0") is device.cpu
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        device.tensor_device("cuda")
    with pytest.raises(RuntimeError, match="not linked with support for mps"):
        device.tensor_device("mps")
    with pytest.raises(TypeError, match=r"zeros\(\): argument 'device' must be torch.device, not float"):
        device.tensor_device(1.5, "zeros")


def test_default_device_is_per_thread_and_nests():
    seen = []
    with device.device("meta"):
        assert device.tensor_device(None) is device.meta
        thread = threading.Thread(target=lambda: seen.append(device.get_default_device()))
        thread.start()
        thread.join()
        with pytest.raises(ZeroDivisionError), device.device("cpu"):
            1 / 0
        assert device.get_default_device() is device.meta
    assert seen == [device.cpu]
    assert device.get_default_device() is device.cpu


@pytest.mark.parametrize("constant", ["contiguous_format", "preserve_format", "channels_last", "strided", "sparse_coo"])
def test_formats_and_layouts_are_singletons(constant):
    value = getattr(device, constant)
    assert repr(value) == f"torch.{constant}"
    assert copy.deepcopy(value) is value
    assert pickle.loads(pickle.dumps(value)) is value


def test_size_is_a_tuple():
    s = size.Size([2, 3])
    assert s == (2, 3) and hash(s) == hash((2, 3)) and s != [2, 3]
    for made in (s[:1], s + (4,), (4,) + s, s * 2, 2 * s, copy.deepcopy(s), pickle.loads(pickle.dumps(s)), size.size_of((1,))):
        assert type(made) is size.Size
    assert s.numel() == 6 and size.Size().numel() == 1
    assert repr(size.Size([np.int64(3), True])) == "torch.Size([3, 1])"
    with pytest.raises(TypeError, match=r"takes an iterable of 'int' \(item 1 is 'float'\)"):
        size.Size([1, 2.0])


def test_broadcasting_agrees_with_numpy():
    shapes = [s for n in range(3) for s in itertools.product((0, 1, 2, 3), repeat=n)]
    for a, b in itertools.product(shapes, shapes):
        try:
            expected = np.broadcast_shapes(a, b)
        except ValueError:
            with pytest.raises(RuntimeError, match="must match the size of tensor b"):
                size.broadcast_pair(a, b)
            with pytest.raises(RuntimeError, match="Attempting to broadcast"):
                size.broadcast_shapes(a, b)
        else:
            assert size.broadcast_pair(a, b) == size.broadcast_shapes(a, b) == expected
            with pytest.raises(ValueError, match="broadcast"):
                raise size.broadcast_pair_error(a, b)


def test_view_strides_address_the_same_elements():
    base = np.arange(24)
    for shape in ((2, 3, 4), (24,), (4, 1, 6), (2, 12)):
        for order in itertools.permutations(range(len(shape))):
            x = base.reshape(shape).transpose(order)
            strides = tuple(s // x.itemsize for s in x.strides)
            for wanted in ((24,), (2, -1), (3, 8), (4, 6), (6, 4), (1, 24, 1), (2, 2, 2, 3)):
                target = size.infer_view_size(wanted, 24)
                found = size.compute_view_strides(x.shape, strides, target)
                if found is not None:
                    view = np.lib.stride_tricks.as_strided(x, target, [s * x.itemsize for s in found])
                    assert (view == x.reshape(target)).all()
                elif size.is_contiguous(x.shape, strides):
                    pytest.fail(f"no view of a contiguous {x.shape} as {target}")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [((4, 2), r"shape '\[4, 2\]' is invalid for input of size 6"), ((-1, -1), "only one dimension can be inferred"),
     ((-1, 4), r"shape '\[-1, 4\]' is invalid"), ((-2, 3), "invalid shape dimension -2 at index 0"), ((), r"shape '\[\]' is invalid")],
)  # fmt: skip
def test_impossible_views(wanted, message):
    with pytest.raises(RuntimeError, match=message):
        size.infer_view_size(wanted, 6)


def test_ambiguous_view_of_nothing():
    assert size.infer_view_size((-1, 3), 0) == (0, 3)
    with pytest.raises(RuntimeError, match="can be any value and is ambiguous"):
        size.infer_view_size((0, -1), 0)


def test_dimensions():
    assert size.normalize_dims((-1, 0), 3) == (2, 0)
    assert size.normalize_dims(None, 3) == (0, 1, 2)
    assert size.normalize_dims(-1, 0) == (0,)
    with pytest.raises(IndexError, match=r"expected to be in range of \[-2, 1\], but got 5"):
        size.normalize_dim(5, 2)
    with pytest.raises(RuntimeError, match="dim 0 appears multiple times in the list of dims"):
        size.normalize_dims((0, -2), 2)
    with pytest.raises(IndexError, match="Dimension specified as 0 but tensor has no dimensions"):
        size.normalize_dim(0, 0, wrap_scalar=False)


def test_strides():
    assert size.contiguous_strides((2, 0, 3)) == (3, 3, 1)
    assert size.channels_last_strides((2, 5, 3, 4)) == (60, 1, 20, 5)
    assert size.is_channels_last((2, 5, 3, 4), (60, 1, 20, 5))
    assert not size.is_contiguous((2, 5, 3, 4), (60, 1, 20, 5))
    assert size.is_channels_last_3d((2, 5, 3, 4, 6), size.channels_last_3d_strides((2, 5, 3, 4, 6)))
    with pytest.raises(RuntimeError, match="required rank 4 tensor to use channels_last format"):
        size.channels_last_strides((2, 3))
