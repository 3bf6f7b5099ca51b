"""Creating, converting, printing, copying and drawing tensors: the same program on chainrule and on the installed PyTorch."""

from __future__ import annotations

import copy
import math
import pickle
import re
import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
hypothesis = pytest.importorskip("hypothesis")

import chainrule  # noqa: E402

from .bridge import array_of, compare, name_of, tensor_of  # noqa: E402

given, settings, st = hypothesis.given, hypothesis.settings, hypothesis.strategies
settings.register_profile("tensor", deadline=None, max_examples=120)

INT_DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64"]
FLOAT_DTYPES = ["float16", "bfloat16", "float32", "float64"]
DTYPES = [*INT_DTYPES, *FLOAT_DTYPES, "complex64", "complex128"]


@pytest.fixture(autouse=True)
def warn_each_time() -> Any:
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


def answer(module: Any, source: str) -> tuple[str, list[str]]:
    """What an expression gives: its repr, or its error's type and first line; and the warnings."""
    scope = {"torch": module, "np": np, "copy": copy, "pickle": pickle, "math": math}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            text = repr(eval(source, scope))
        except Exception as error:
            text = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    return text, [str(w.message).split(" (Triggered")[0] for w in caught if "__array_wrap__" not in str(w.message)]


# The expressions one a line.
EXPRESSIONS = """
torch.Tensor()
torch.Tensor(2,3).shape
torch.Tensor([1,2])
torch.Tensor([[1,2],[3,4]])
torch.Tensor(5).shape
torch.Tensor(5.5)
torch.Tensor(np.array([1,2]))
torch.Tensor(torch.tensor([1,2]))
torch.Tensor(torch.tensor([1.,2]))
torch.Tensor(torch.Size([2])).shape
torch.Tensor((2,3))
torch.Tensor(3, device='cpu').shape
torch.Tensor(True)
torch.Tensor("a")
torch.Tensor([1,2], dtype=torch.float64)
torch.LongTensor([1,2])
torch.LongTensor(2).dtype
torch.LongTensor([1.7,2])
torch.FloatTensor([1,2])
torch.FloatTensor
torch.FloatTensor.dtype
torch.BoolTensor([1,0])
torch.ByteTensor([300])
isinstance(torch.ones(2), torch.FloatTensor)
isinstance(torch.ones(2), torch.LongTensor)
isinstance(torch.ones(2), torch.Tensor)
torch.Tensor
torch.HalfTensor([1])
torch.DoubleTensor(2,2).dtype
torch.Tensor([1.0]).requires_grad
torch.arange(5)
torch.arange(5.)
torch.arange(1,5,2)
torch.arange(1,2,0.3)
torch.arange(5,1)
torch.arange(5,1,-1)
torch.arange(0)
torch.arange(1,5,0)
torch.arange(5,1,1.)
torch.arange(float('nan'))
torch.arange(float('inf'))
torch.arange(3,dtype=torch.float32)
torch.arange(torch.tensor(3))
torch.arange(torch.tensor(3.5))
torch.arange(start=1,end=3)
torch.arange(end=3)
torch.arange(3,requires_grad=True)
torch.arange(3.,requires_grad=True)
torch.arange(True)
torch.range(1,4)
torch.range(1,2,0.5)
torch.linspace(0,1,5)
torch.linspace(0,1,1)
torch.linspace(0,1,0)
torch.linspace(0,1,-1)
torch.linspace(0,10,4,dtype=torch.int64)
torch.linspace(torch.tensor(0.),torch.tensor(1.),3)
torch.linspace(1j,2,3)
torch.logspace(0,2,3)
torch.logspace(0,2,3,base=2)
torch.logspace(0,2,3,dtype=torch.int64)
torch.logspace(0,1,1)
torch.eye(3)
torch.eye(2,3)
torch.eye(-1)
torch.eye(2,-1)
torch.eye(2.5)
torch.eye(2,dtype=torch.int64)
torch.full((2,),1)
torch.full((2,),True)
torch.full((2,),1j)
torch.full(2,1)
torch.full((2,2),torch.tensor(3))
torch.full((2,2),torch.tensor([3]))
torch.full((2,),1.5,dtype=torch.int64)
torch.full((2,),300,dtype=torch.uint8)
torch.full([2],1.,requires_grad=True)
torch.zeros(2,dtype=int)
torch.zeros(2,dtype=float)
torch.zeros(2,requires_grad=True)
torch.zeros(2,dtype=torch.int64,requires_grad=True)
torch.zeros(-1)
torch.zeros(2.5)
torch.zeros((2,2.5))
torch.zeros()
torch.zeros([])
torch.zeros(())
torch.zeros(torch.tensor(2),3).shape
torch.zeros(np.int64(2)).shape
torch.zeros("a")
torch.zeros(2,dtype="float32")
torch.zeros(size=(2,)).shape
torch.zeros(2,out=torch.empty(0))
torch.zeros(None)
torch.zeros(2,device='cuda')
torch.zeros(2,device='meta')
torch.empty_strided((2,3),(1,2)).stride()
torch.scalar_tensor(3)
torch.scalar_tensor(3,dtype=torch.int64)
torch.tril_indices(3,3)
torch.tril_indices(3,4,-1)
torch.triu_indices(3,4,1)
torch.triu_indices(-1,4,1)
torch.tril_indices(3,3,dtype=torch.float32)
torch.vander(torch.tensor([1,2,3]))
torch.vander(torch.tensor([1.,2,3]),4,increasing=True)
torch.zeros_like(torch.ones(2,3).t()).stride()
torch.zeros_like(torch.ones(2,3)[:, ::2]).stride()
torch.zeros_like([1])
torch.full_like(torch.ones(2),2)
torch.full_like(torch.ones(2,dtype=torch.int64),2.5)
torch.empty_like(torch.ones(2),dtype=torch.int64).dtype
torch.ones(2).new_zeros(3)
torch.ones(2).new_zeros((3,2))
torch.ones(2).new_zeros(3,2)
torch.ones(2).new_tensor([1,2])
torch.ones(2).new_tensor(3)
torch.ones(2,dtype=torch.int64).new_tensor([1.5])
torch.ones(2).new_full((2,),3)
torch.ones(2).new_empty(2).shape
torch.ones(2).new([1,2])
torch.ones(2).new(2,3).shape
torch.ones(2).new_ones(2,dtype=torch.int64)
torch.ones(2).new_empty_strided((2,3),(1,2)).stride()
torch.zeros(2,2.5)
torch.zeros([2,"a"])
torch.zeros(True)
torch.zeros((True,2))
torch.ones(-1,2)
torch.empty(-1)
torch.full((-1,),1)
torch.full((2.5,),1)
torch.rand(-1)
torch.randn((2,2.5))
torch.ones(2).new_zeros(2.5)
torch.ones(2).new_zeros(-2)
torch.arange(0,5.5,1.5,dtype=torch.int64)
torch.arange(0.5,5.5,dtype=torch.int64)
torch.arange(5.7,dtype=torch.int64)
torch.arange(1,10,2,dtype=torch.float16)
torch.arange(-1,dtype=torch.uint8)
torch.arange(0,300,100,dtype=torch.uint8)
torch.arange("a")
torch.arange(1j)
torch.arange(3,out=torch.empty(3))
torch.arange(3,dtype=torch.bool)
torch.zeros(2,pin_memory=True)
torch.eye(2,dtype=torch.bool)
torch.eye("a")
torch.eye(n=2,m=3)
torch.linspace(0,1,3,dtype=torch.bool)
torch.linspace(1,0,4,dtype=torch.int32)
torch.linspace(-5,5,7,dtype=torch.int8)
torch.linspace(torch.ones(2),1,3)
torch.linspace(0,1,steps=torch.tensor(3))
torch.linspace(0,1,3,dtype=torch.complex64)
torch.logspace(0,1,-1)
torch.logspace(0,1,3,dtype=torch.complex64)
torch.vander(torch.ones(2,2))
torch.vander(torch.tensor([1,2]),-1)
torch.vander(torch.tensor([1,2]),0)
torch.full((2,),None)
torch.full((2,),"a")
torch.full((2,),1.5,dtype=torch.bool)
torch.full((2,),1j,dtype=torch.float32)
torch.full((2,),300,dtype=torch.int8)
torch.full((2,),float('nan'),dtype=torch.int64)
torch.full((2,),1e300)
torch.full((2,),1e300,dtype=torch.float16)
torch.full_like(torch.ones(2),1j)
torch.full_like(torch.ones(2,dtype=torch.uint8),300)
torch.full_like(torch.ones(2),torch.tensor(2))
torch.zeros_like(torch.ones(2),requires_grad=True)
torch.zeros_like(torch.ones(2,requires_grad=True))
torch.empty_strided((2,3),(-1,2))
torch.empty_strided((2,3),(1,))
torch.empty_like(torch.ones(2,3,4,5),memory_format=torch.channels_last).stride()
torch.empty(2,3,4,5,memory_format=torch.channels_last).stride()
torch.zeros_like(torch.ones(2,1,3).expand(2,4,3)).stride()
torch.zeros_like(torch.ones(4,5,6).permute(2,0,1)[:, ::2]).stride()
torch.ones(2,1,3).expand(2,4,3).clone().stride()
torch.ones(4).expand(3,4).clone().stride()
torch.ones(3,1).expand(3,4).clone().stride()
torch.ones(4,5,6).permute(2,0,1)[:, ::2].clone().stride()
torch.ones(4,5,6).permute(2,0,1).to(torch.float64).stride()
torch.ones(1).fill_(1e300)
torch.ones(1,dtype=torch.uint8).fill_(300)
torch.ones(1,dtype=torch.uint8).fill_(-1)
torch.ones(1,dtype=torch.int64).fill_(1.7)
torch.ones(1).fill_(1j)
torch.ones(1,dtype=torch.int8).fill_(torch.tensor(300))
torch.tensor(1e10,dtype=torch.float16)
torch.tensor([1e10],dtype=torch.float16)
torch.tensor(-256,dtype=torch.uint8)
torch.tensor(-255,dtype=torch.uint8)
torch.tensor([-1],dtype=torch.uint8)
torch.tensor([128],dtype=torch.int8)
torch.tensor([2.0**63],dtype=torch.int64)
torch.tensor([2**31],dtype=torch.int32)
torch.tensor(np.array([1,2],np.int64),dtype=torch.float32)
torch.tensor(np.array([300]),dtype=torch.uint8)
torch.tensor(np.array([1.5,float('nan')]),dtype=torch.int32)
torch.tensor(np.array([1j]),dtype=torch.float32)
torch.tensor([1.5,True],dtype=torch.bool)
torch.tensor([0.5,0],dtype=torch.bool)
torch.tensor(2**70)
torch.tensor(2**70,dtype=torch.float64)
torch.tensor(-2**63)
torch.tensor([[1.0,2],[3,4]],dtype=torch.complex64)
torch.tensor(3,dtype=torch.complex128)
torch.tensor(1.5,dtype=torch.bfloat16)
torch.tensor([1.5,2.7],dtype=torch.bfloat16)
torch.tensor(1,dtype=torch.float8_e4m3fn)
torch.tensor([[torch.tensor(1),torch.tensor(2)],[torch.tensor(3.5),1]])
torch.tensor([True,torch.tensor(2.5)])
torch.tensor([torch.tensor(2.5,dtype=torch.float16), 1])
torch.tensor([torch.tensor(2), 1.5])
torch.as_tensor([1,2.])
torch.as_tensor(np.array([1,2]))
torch.as_tensor(3)
torch.as_tensor(np.float32(3))
torch.as_tensor([1,2],dtype=torch.float64)
torch.as_tensor(torch.ones(2,requires_grad=True)*2)
torch.as_tensor(np.array([1.,2]),dtype=torch.float32)
torch.asarray(3.5)
torch.asarray([1,2],copy=False)
torch.asarray(torch.ones(2),dtype=torch.float64,copy=False)
torch.asarray(torch.ones(2),requires_grad=True)
torch.asarray(np.float64(2))
torch.from_numpy([1])
torch.from_numpy(np.ones(3)[::-1])
torch.from_numpy(np.array(1.5))
torch.from_numpy(np.array(['a']))
torch.from_numpy(np.array([object()]))
torch.from_numpy(np.ones(2,dtype=np.longdouble))
torch.from_numpy(np.ones(2,dtype='datetime64[s]'))
torch.frombuffer(bytearray(b"abcdefgh"),dtype=torch.int32)
torch.frombuffer(bytearray(b"abcdefgh"),dtype=torch.int32,count=1,offset=4)
torch.frombuffer(bytearray(b""),dtype=torch.int32)
torch.frombuffer(bytearray(b"abc"),dtype=torch.int32)
torch.frombuffer(bytearray(b"abcd"),dtype=torch.int32,offset=7)
torch.frombuffer(bytearray(b"abcd"),dtype=torch.int32,count=2)
torch.frombuffer(bytearray(b"abcd"),dtype=torch.int32,count=0)
torch.frombuffer([1],dtype=torch.uint8)
torch.scalar_tensor(2.5,requires_grad=True)
torch.scalar_tensor("a")
torch.complex(torch.ones(2),torch.ones(2))
torch.polar(torch.ones(2),torch.ones(2))
np.ones(2)*torch.ones(2)
torch.ones(2)*np.ones(2)
np.ones(2)+torch.ones(2)
np.ones(2)-torch.ones(2)
np.ones(2)/torch.ones(2)
np.ones(2)@torch.ones(2)
np.ones(2)<torch.ones(2)
torch.ones(2)+np.ones(2)
torch.ones(2)-np.ones(2)
torch.ones(2)/np.ones(2)
torch.ones(2)<np.ones(2)
np.float64(2)*torch.ones(2)
np.float64(2)+torch.ones(2)
np.float64(2)-torch.ones(2)
np.float64(2)/torch.ones(2)
np.float64(2)**torch.ones(2)
torch.ones(2)*np.float64(2)
torch.ones(2)+np.float32(2)
torch.ones(2)-np.float64(2)
np.int64(2)*torch.ones(2)
np.float64(2)<torch.ones(2)
np.float64(1)==torch.ones(2)
np.float64(2)*torch.tensor(3.)
np.add(torch.ones(2),1)
np.sin(torch.ones(2))
np.exp(torch.tensor(1.0))
np.sqrt(torch.ones(2,requires_grad=True))
np.asarray(torch.ones(2))
np.array([torch.tensor(1.),torch.tensor(2.)])
np.array([torch.ones(2),torch.ones(2)])
np.stack([torch.ones(2),torch.ones(2)])
np.asarray(torch.ones(2),dtype=np.int32)
np.from_dlpack(torch.ones(2))
np.from_dlpack(torch.tensor(1.5))
torch.from_dlpack(np.ones(2))
torch.from_dlpack(torch.ones(2))
np.isclose(torch.ones(2),1)
np.testing.assert_allclose(torch.ones(2),torch.ones(2))
np.linalg.norm(torch.ones(2))
np.concatenate([torch.ones(2),np.ones(1)])
np.zeros(3)[torch.tensor(1)]
np.zeros(3)[torch.tensor([0,1])]
np.zeros(torch.tensor(3))
[10,20,30][torch.tensor(1)]
np.full(2,torch.tensor(3.))
np.array([1.,2.]).__iadd__(torch.ones(2))
list(range(torch.tensor(3)))
sum(torch.ones(3))
max(torch.tensor([1,3,2]))
sorted(torch.tensor([3,1,2]))
abs(torch.tensor(-2))
f"{torch.tensor(3)}"
f"{torch.tensor(3.14159):.3f}"
f"{torch.tensor([1.,2.])}"
f"{torch.tensor([1.,2.]):>10}"
f"{torch.tensor(2):d}"
f"{torch.tensor(2.5):d}"
"%.2f" % torch.tensor(2.5)
"%d" % torch.tensor(2)
"%s" % torch.tensor(2)
str(torch.tensor(2))
"{:.2f}".format(torch.tensor(1.5,requires_grad=True))
"{}".format(torch.tensor(1.5,requires_grad=True))
bool(torch.tensor([[1]]))
bool(torch.tensor(0.0))
torch.tensor([1,2,3]).tolist()
torch.tensor(1.5,dtype=torch.bfloat16).item()
torch.tensor([1.5],dtype=torch.bfloat16).tolist()
torch.tensor([1.5],dtype=torch.bfloat16).numpy()
torch.tensor([1.5],dtype=torch.float16).numpy()
torch.tensor([1+2j]).item()
torch.tensor(True).item()
torch.tensor([]).tolist()
torch.tensor([[]]).tolist()
torch.tensor([[1.0]]).item()
complex(torch.tensor(1+2j))
int(torch.tensor([3]))
float(torch.tensor([[3]]))
int(torch.tensor([[3],[4]]))
torch.tensor(3).__index__()
torch.tensor(1.5).__index__()
torch.tensor(True).__index__()
copy.deepcopy(torch.ones(2,requires_grad=True))
copy.copy(torch.ones(2,requires_grad=True)*2)
pickle.loads(pickle.dumps(torch.ones(2,3).t())).stride()
pickle.loads(pickle.dumps(torch.ones(2,requires_grad=True)))
pickle.loads(pickle.dumps(torch.ones(2,requires_grad=True)*2))
pickle.loads(pickle.dumps(torch.tensor(2.5)))
pickle.loads(pickle.dumps(torch.tensor([1.5],dtype=torch.bfloat16)))
pickle.loads(pickle.dumps(torch.tensor(1.5,dtype=torch.bfloat16)))
pickle.loads(pickle.dumps([torch.float32, torch.Size([2,3]), torch.device('cpu')]))
pickle.loads(pickle.dumps(torch.ones(4)[1:3])).storage_offset()
pickle.loads(pickle.dumps(torch.empty(2,device='meta')))
torch.ones(2).is_inference()
torch.inference_mode()(lambda: torch.ones(2)*2)().is_inference()
torch.inference_mode()(lambda: torch.ones(2))()._version
torch.inference_mode()(lambda: torch.ones(2))().requires_grad_()
torch.inference_mode()(lambda: torch.ones(2))().add_(1)
torch.inference_mode()(lambda: torch.ones(2)*2)().clone().is_inference()
torch.inference_mode()(lambda: torch.ones(2,requires_grad=True))()
torch.inference_mode()(lambda: (torch.ones(2,requires_grad=True)*2).requires_grad)()
torch.inference_mode()(lambda: torch.ones(2))().view(2).is_inference()
torch.no_grad()(lambda: torch.is_grad_enabled())()
torch.no_grad(lambda: torch.is_grad_enabled())()
torch.enable_grad(lambda: torch.is_grad_enabled())()
torch.set_grad_enabled(False)(lambda: torch.is_grad_enabled())()
torch.inference_mode(lambda: torch.is_inference_mode_enabled())()
torch.inference_mode(False)(lambda: (torch.is_inference_mode_enabled(), torch.is_grad_enabled()))()
torch.is_grad_enabled()
torch.set_grad_enabled(mode=True)
torch.set_grad_enabled("a")
torch.hann_window(5)
torch.hann_window(5,periodic=False)
torch.hann_window(0)
torch.hann_window(1)
torch.hann_window(-1)
torch.hamming_window(5,True,0.5,0.3)
torch.blackman_window(5)
torch.blackman_window(7,dtype=torch.float64)
torch.bartlett_window(6)
torch.bartlett_window(5,periodic=False)
torch.bartlett_window(7)
torch.kaiser_window(5)
torch.kaiser_window(5,False,beta=8.)
torch.kaiser_window(1)
torch.kaiser_window(30)
torch.hann_window(4,requires_grad=True)
torch.hann_window(2.5)
torch.fill(torch.ones(2),3)
torch.empty_permuted((2,3),(1,0)).stride()
torch.empty_permuted((2,3,4),(2,0,1)).stride()
torch.abs_(torch.tensor([-1.]))
torch.zero_(torch.ones(2))
torch.detach(torch.ones(2,requires_grad=True))
torch.is_anomaly_enabled()
torch.is_autocast_enabled()
torch.get_autocast_dtype('cpu')
torch.is_signed(torch.ones(1))
torch.relu_(torch.tensor([-1.,1.]))
torch.fill_(torch.ones(2),2)
""".strip().splitlines()


@pytest.mark.parametrize("source", EXPRESSIONS)
def test_expressions(source: str) -> None:
    assert answer(chainrule, source) == answer(torch, source)


def both(program: Any, *, seed: int | None = None) -> tuple[Any, Any]:
    """(chainrule's, PyTorch's) result or exception of a program over the module."""
    found = []
    for module in (chainrule, torch):
        if seed is not None:
            module.manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found.append(program(module))
            except Exception as error:
                found.append(error)
    return found[0], found[1]


def check(program: Any, *, seed: int | None = None, exact: bool = True, messages: bool = True) -> None:
    """Equal values, dtypes, shapes and strides; or errors of the same type and words."""
    mine, theirs = both(program, seed=seed)
    if isinstance(theirs, Exception) or isinstance(mine, Exception):
        assert isinstance(mine, Exception) and isinstance(theirs, Exception), (mine, theirs)
        if messages:
            assert type(mine) is type(theirs)
            assert str(mine).splitlines()[0] == str(theirs).splitlines()[0]
        return
    compare(mine, theirs)
    if isinstance(theirs, torch.Tensor):
        assert mine.stride() == theirs.stride()
        if exact:
            want = array_of(theirs)
            got = mine.numpy() if theirs.dtype != torch.bfloat16 else mine._value
            np.testing.assert_array_equal(np.asarray(got), want)


# -- data ------------------------------------------------------------------------------------------------------------

numbers = st.one_of(
    st.booleans(), st.integers(-300, 300), st.floats(allow_nan=True, width=32), st.sampled_from([1e300, -1e300, 2**31, 2**62, 0.5, -0.0]),
    st.complex_numbers(max_magnitude=1e3, allow_nan=False),
)  # fmt: skip
nested = st.recursive(numbers, lambda inner: st.lists(inner, max_size=3), max_leaves=8)


@settings(settings.get_profile("tensor"))
@given(nested, st.sampled_from([None, *DTYPES]))
def test_tensor_of_nested_lists(data: Any, dtype: str | None) -> None:
    def program(T: Any) -> Any:
        return T.tensor(data, dtype=None if dtype is None else getattr(T, dtype))

    theirs = both(program)[1]
    if dtype in INT_DTYPES and not isinstance(theirs, Exception) and any(isinstance(x, float) for x in flat(data)):
        hypothesis.assume(all(abs(x) < 2**31 for x in flat(data) if not isinstance(x, complex)))  # what C++ leaves undefined
    check(program, messages=False)


def flat(data: Any) -> list[Any]:
    return [x for d in data for x in flat(d)] if isinstance(data, list) else [data]


@settings(settings.get_profile("tensor"))
@given(st.sampled_from(DTYPES), st.sampled_from(DTYPES), st.lists(st.integers(-100, 100), max_size=5))
def test_conversions(source: str, target: str, data: list[int]) -> None:
    data = [abs(x) for x in data] if source in ("uint8", "bool") or target == "uint8" else data
    check(lambda T: T.tensor(data, dtype=getattr(T, source)).to(getattr(T, target)))
    check(lambda T: T.tensor(data, dtype=getattr(T, source)).type())
    check(lambda T: str(T.tensor(data, dtype=getattr(T, source)) + T.zeros(len(data), dtype=getattr(T, target))))


# -- ranges ----------------------------------------------------------------------------------------------------------

bounds = st.one_of(st.integers(-20, 20), st.floats(-20, 20).map(lambda x: round(x, 2)))


@settings(settings.get_profile("tensor"))
@given(
    bounds,
    bounds,
    st.one_of(st.integers(-3, 3), st.floats(-3, 3).map(lambda x: round(x, 2))),
    st.sampled_from([None, *INT_DTYPES[1:], *FLOAT_DTYPES]),
)
def test_arange(start: Any, end: Any, step: Any, dtype: str | None) -> None:
    if dtype == "uint8":
        start, end = abs(start), abs(end)
    hypothesis.assume(step == 0 or abs((end - start) / step) < 1e5)
    check(lambda T: T.arange(start, end, step, dtype=None if dtype is None else getattr(T, dtype)), exact=False)


@settings(settings.get_profile("tensor"))
@given(bounds, bounds, st.integers(0, 40), st.sampled_from([None, "int32", "int64", "float32", "float64", "float16", "complex64"]))
def test_linspace_and_logspace(start: Any, end: Any, steps: int, dtype: str | None) -> None:
    def kind(T: Any) -> Any:
        return None if dtype is None else getattr(T, dtype)

    check(lambda T: T.linspace(start, end, steps, dtype=kind(T)), exact=False)
    if dtype not in ("int32", "int64", "float16"):
        check(lambda T: T.logspace(start / 10, end / 10, steps, base=2.5, dtype=kind(T)), exact=False)


# -- layouts ---------------------------------------------------------------------------------------------------------


@st.composite
def strided(draw: Any) -> Any:
    """A PyTorch tensor that is some view: permuted, sliced, expanded."""
    shape = draw(st.lists(st.integers(0, 4), min_size=0, max_size=4))
    x = torch.arange(float(np.prod(shape, dtype=int))).reshape(shape)
    for _ in range(draw(st.integers(0, 3))):
        move = draw(st.sampled_from(["permute", "slice", "expand", "unsqueeze"]))
        if move == "permute":
            x = x.permute(draw(st.permutations(range(x.ndim))))
        elif move == "slice" and x.ndim:
            d = draw(st.integers(0, x.ndim - 1))
            x = x[(slice(None),) * d + (slice(draw(st.integers(0, 1)), None, draw(st.integers(1, 2))),)]
        elif move == "expand" and x.ndim < 5:
            x = x.expand(draw(st.integers(1, 3)), *x.shape)
        elif move == "unsqueeze" and x.ndim < 5:
            x = x.unsqueeze(draw(st.integers(0, x.ndim)))
    return x


LAYOUTS = {
    "clone": lambda T, x: x.clone(),
    "contiguous": lambda T, x: x.contiguous(),
    "double": lambda T, x: x.double(),
    "zeros_like": lambda T, x: T.zeros_like(x),
    "full_like": lambda T, x: T.full_like(x, 2.5),
    "stride": lambda T, x: (x.stride(), x.storage_offset(), x.is_contiguous(), x.numel()),
    "pickle": lambda T, x: pickle.loads(pickle.dumps(x)),
    "deepcopy": lambda T, x: copy.deepcopy(x),
    "tolist": lambda T, x: x.tolist(),
    "repr": lambda T, x: repr(x),
    "fill": lambda T, x: x.clone().fill_(3),
    "copy": lambda T, x: T.zeros_like(x).copy_(x),
    "resize": lambda T, x: x.clone().contiguous().resize_(2).shape,
}


@settings(settings.get_profile("tensor"))
@given(strided(), st.sampled_from(sorted(LAYOUTS)))
def test_layouts(x: Any, name: str) -> None:
    mine, theirs = LAYOUTS[name](chainrule, tensor_of(x)), LAYOUTS[name](torch, x)
    if isinstance(theirs, torch.Tensor):
        compare(mine, theirs)
        # Dimensions of length 1, and tensors without elements, have strides that mean nothing.
        if 1 not in theirs.shape and theirs.numel():
            assert mine.stride() == theirs.stride()
    elif name == "stride" and (1 in x.shape or not x.numel()):
        assert mine[2:] == theirs[2:]
    else:
        assert mine == theirs


# -- random numbers --------------------------------------------------------------------------------------------------

DRAWS = {
    "rand": lambda T, n, d: T.rand(n, 3, dtype=d),
    "randn": lambda T, n, d: T.randn(n, 3, dtype=d),
    "randint": lambda T, n, d: T.randint(-5, 11, (n,), dtype=d),
    "randperm": lambda T, n, d: T.randperm(n),
    "rand_like": lambda T, n, d: T.rand_like(T.ones(3, n, dtype=d).t()),
    "randn_like": lambda T, n, d: T.randn_like(T.ones(n, 3, dtype=d)),
    "randn_like transposed": lambda T, n, d: T.randn_like(T.ones(3, n + 1, dtype=d).t()),
    "randint_like": lambda T, n, d: T.randint_like(T.ones(n, dtype=d), 2, 9),
    "normal": lambda T, n, d: T.normal(1.5, 0.5, (n,), dtype=d),
    "normal of tensors": lambda T, n, d: T.normal(T.ones(n, dtype=d), T.full((n,), 0.5, dtype=d)),
    "bernoulli": lambda T, n, d: T.bernoulli(T.full((n,), 0.3, dtype=d)),
    "multinomial": lambda T, n, d: T.multinomial(T.arange(1.0, n + 2, dtype=d), n + 1) if n else T.zeros(0),
    "multinomial with replacement": lambda T, n, d: T.multinomial(T.arange(1.0, n + 2, dtype=d), 7, replacement=True),
    "poisson": lambda T, n, d: T.poisson(T.full((n,), 3.0, dtype=d)),
    "uniform_": lambda T, n, d: T.empty(n, dtype=d).uniform_(-1, 3),
    "normal_": lambda T, n, d: T.empty(n, dtype=d).normal_(1, 2),
    "normal_ strided": lambda T, n, d: T.zeros(n, 4, dtype=d)[:, ::2].normal_(1, 2),
    "exponential_": lambda T, n, d: T.empty(n, dtype=d).exponential_(1.5),
    "geometric_": lambda T, n, d: T.empty(n, dtype=d).geometric_(0.3),
    "log_normal_": lambda T, n, d: T.empty(n, dtype=d).log_normal_(0.1, 0.5),
    "random_": lambda T, n, d: T.empty(n, dtype=d).random_(50),
    "bernoulli_": lambda T, n, d: T.empty(n, dtype=d).bernoulli_(0.4),
    "state": lambda T, n, d: T.get_rng_state(),
}


@settings(settings.get_profile("tensor"))
@given(st.sampled_from(sorted(DRAWS)), st.sampled_from(["float32", "float64"]), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_draws(name: str, dtype: str, n: int, seed: int) -> None:
    def program(T: Any) -> Any:
        first = DRAWS[name](T, n, getattr(T, dtype))
        DRAWS[name](T, n, getattr(T, dtype))
        return first, T.rand(2)  # the streams have to stand at the same place afterwards

    mine, theirs = both(program, seed=seed)
    compare(mine, theirs)


def test_names() -> None:
    """What this page of the package exports is PyTorch's, and nothing public is missing from these families."""
    for family in ("creation", "factories", "likes", "random", "patterns", "legacy"):
        module = __import__(f"chainrule.ops.{family}", fromlist=["__all__"])
        for name in module.__all__:
            assert hasattr(torch, name) and hasattr(chainrule, name), name
    assert name_of(chainrule.float32) == "float32"
