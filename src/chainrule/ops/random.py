"""Random tensors: the same numbers as PyTorch's for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import random_integers, rejection, sampling
from ..core.batching import aligned
from ..core.device import as_device, cpu, strided, tensor_device
from ..core.dtype import as_dtype, dtype, int64
from ..core.generator import Generator, default_generator
from ..core.meta import Meta
from ..core.modes import MODES
from ..core.mutation import written
from ..core.naming import argument_error, type_name
from ..core.op import Op
from ..core.tensor import Tensor, wrap
from ..core.value import Value
from .declare import method
from .factories import finish, kind_of, sizes_of
from .writes import in_format, write

# -- the generator's state as tensors --------------------------------------------------------------------------------


def _get_state(self: Generator) -> Tensor:
    """The state as a byte tensor, that of PyTorch's generator bit by bit."""
    return wrap(self._get_state_array())


def _set_state(self: Generator, new_state: Any) -> Generator:
    """Continue from a state of ``get_state``."""
    self._set_state_array(new_state._value if isinstance(new_state, Tensor) else new_state)
    return self


Generator.get_state = _get_state  # type: ignore[method-assign, assignment]
Generator.set_state = _set_state  # type: ignore[method-assign, assignment]


def manual_seed(seed: Any) -> Generator:
    """Start the default generator's stream of ``seed``; returns the generator.

    >>> import chainrule as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Start a stream that nobody can predict; returns its seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator's present stream."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as a byte tensor."""
    return _get_state(default_generator)


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default generator from a state of ``get_rng_state``."""
    _set_state(default_generator, new_state)


# -- drawing ---------------------------------------------------------------------------------------------------------


def _source(generator: Any) -> Generator:
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"argument 'generator' must be Generator, not {type(generator).__name__}")
    return generator


_IN_VMAP = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness flags on vmap"
    " or perform the randomness operation out of vmap"
)


def drawn(shape: tuple[int, ...], draw: Any) -> Tensor:
    """``draw(shape)`` as a tensor; inside ``vmap`` once for all samples or once for each, as its ``randomness`` says."""
    if not MODES.vmaps:
        return wrap(draw(shape) if MODES.recorder is None else MODES.recorder.drawn(shape, draw))
    level, size, mode = MODES.vmaps[-1]
    if mode == "error":
        raise RuntimeError(_IN_VMAP)
    if mode == "same":
        return wrap(draw(shape))
    from ..core.batched import Batched

    return wrap(Batched(level, wrap(draw((size, *shape)))))


def _new(
    shape: tuple[int, ...], kind: dtype, draw: Any, out: Any, requires_grad: bool, device: Any, layout: Any = strided,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    if tensor_device(device) is not cpu:
        return finish(Meta(shape, kind.np), out, requires_grad, layout, pin_memory)
    return finish(drawn(shape, draw)._value, out, requires_grad, layout, pin_memory)


def rand(
    *sizes: Any, size: Any = None, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform numbers of [0, 1).

    >>> import chainrule as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    kind, g = kind_of(dtype, out, "rand"), _source(generator)
    shape = sizes_of(sizes, "rand", size)
    return _new(shape, kind, lambda s: sampling.uniform(g, s, kind), out, requires_grad, device, layout, pin_memory)


def randn(
    *sizes: Any, size: Any = None, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Standard normal numbers.

    >>> import chainrule as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randn(2)
    tensor([ 1.5410, -0.2934])
    """
    kind, g = kind_of(dtype, out, "randn"), _source(generator)
    shape = sizes_of(sizes, "randn", size)
    return _new(shape, kind, lambda s: sampling.normal(g, s, kind), out, requires_grad, device, layout, pin_memory)


def randint(
    *args: Any, low: Any = None, high: Any = None, size: Any = None, generator: Any = None, out: Any = None, dtype: Any = None,
    layout: Any = strided, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Integers of [low, high), equally likely: ``randint(high, size)`` or ``randint(low, high, size)``.

    >>> import chainrule as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randint(10, (3,))
    tensor([4, 9, 3])
    """
    low, high, size = _interval("randint", args, low, high, size)
    kind, g = int64 if dtype is None and out is None else kind_of(dtype, out, "randint"), _source(generator)
    shape = sizes_of((size,), "randint")
    return _new(shape, kind, lambda s: random_integers.randint(g, s, kind, low, high), out, requires_grad, device, layout, pin_memory)


def _interval(function: str, args: tuple[Any, ...], low: Any, high: Any, size: Any) -> tuple[int, int, Any]:
    given = list(args)
    if size is None and given and (isinstance(given[-1], (tuple, list))):
        size = given.pop()
    if high is None and given:
        high = given.pop()
    if low is None:
        low = given.pop() if given else 0
    if high is None or size is None or given:
        got = ", ".join([type_name(a) for a in args])
        raise TypeError(
            f"{function}() received an invalid combination of arguments - got ({got}), but expected (int low, int high, tuple of ints size)"
        )
    for position, (name, bound) in enumerate((("low", low), ("high", high)), 1):
        if isinstance(bound, float) or not hasattr(bound, "__index__"):
            raise argument_error(function, name, "int", bound, position)
    return low.__index__(), high.__index__(), size


def randperm(
    n: int, *, generator: Any = None, out: Any = None, dtype: Any = None, layout: Any = strided, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The integers from 0 to ``n - 1`` in random order.

    >>> import chainrule as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randperm(4)
    tensor([0, 1, 3, 2])
    """
    if isinstance(n, float) or not hasattr(n, "__index__"):
        raise argument_error("randperm", "n", "int", n, 1)
    count = int(n.__index__())
    kind, g = int64 if dtype is None and out is None else kind_of(dtype, out, "randperm"), _source(generator)

    def draw(shape: tuple[int, ...]) -> Any:
        lead = shape[:-1]
        if not lead:
            return random_integers.randperm(g, count, kind)
        return np.stack([random_integers.randperm(g, count, kind) for _ in range(lead[0])])

    if count < 0:
        random_integers.randperm(g, count, kind)
    return _new((count,), kind, draw, out, requires_grad, device, layout, pin_memory)


# -- like another tensor ---------------------------------------------------------------------------------------------


def _sample_impl(x: Any, *, kind: Any, draw: Any) -> Any:
    """Draw in the order of memory, as PyTorch does, whatever the order of the dimensions."""
    order = _order_of(x)
    if order is None:
        return draw(x.shape)
    made = draw(tuple([x.shape[d] for d in order]))
    return made.transpose(sorted(range(x.ndim), key=order.__getitem__))


def _order_of(x: Any) -> list[int] | None:
    """The dimensions of a tensor made like this one, the outermost in memory first; None for one that is row-major."""
    if not isinstance(x, np.ndarray) or x.flags.c_contiguous or 0 in x.strides:
        return None
    order = sorted(range(x.ndim), key=lambda d: -x.strides[d])
    return None if order == list(range(x.ndim)) else order


def _sample_batch(op: Any, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    mode = MODES.vmaps[-1][2] if MODES.vmaps else "different"
    if mode == "error":
        raise RuntimeError(_IN_VMAP)
    x = args[0]
    if mode == "same":
        one = op(x[0], **kw)
        return one.expand((x.shape[0], *one.shape))
    return op(x, **kw)


sample_op = Op("sample_like", _sample_impl, kind="general", batch=_sample_batch)


def like(
    name: str, input: Any, draw: Any, dtype: Any, device: Any, requires_grad: bool, memory_format: Any, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of the shape, dtype and device of ``input`` with the values of ``draw(generator, shape, dtype)``."""
    if not isinstance(input, Tensor):
        raise argument_error(name, "input", "Tensor", input, 1)
    kind = input.dtype if dtype is None else as_dtype(dtype, name)
    where = input.device if device is None else tensor_device(as_device(device))
    if where is not cpu:
        return finish(Meta(tuple(input.shape), kind.np), None, requires_grad, layout, pin_memory)
    value = input._value
    if isinstance(value, Value) and not isinstance(value, Meta):
        made = sample_op(input.detach(), kind=kind.np, draw=lambda s: draw(s, kind))._value
    elif MODES.vmaps or MODES.recorder is not None:
        made = drawn(tuple(value.shape), lambda s: draw(s, kind))._value
    else:
        made = _sample_impl(value if isinstance(value, np.ndarray) else np.empty(value.shape), kind=kind.np, draw=lambda s: draw(s, kind))
    if memory_format is not None:
        made = in_format(made, memory_format)
    return finish(made, None, requires_grad, layout, pin_memory)


def _in_order(tensor: Any) -> bool:
    """Whether a tensor like this one is row-major; PyTorch draws normal numbers for the others in another way."""
    value = tensor._value if isinstance(tensor, Tensor) else None
    return value.row_major() if isinstance(value, Value) else _order_of(value) is None


def rand_like(
    input: Tensor, *, generator: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Uniform numbers of [0, 1) in the shape, dtype and device of ``input``."""
    g = _source(generator)
    return like("rand_like", input, lambda s, d: sampling.uniform(g, s, d), dtype, device, requires_grad, memory_format, layout, pin_memory)


def randn_like(
    input: Tensor, *, generator: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Standard normal numbers in the shape, dtype and device of ``input``."""
    g = _source(generator)
    in_order = _in_order(input)
    return like(
        "randn_like", input, lambda s, d: sampling.normal(g, s, d, contiguous=in_order), dtype, device, requires_grad, memory_format,
        layout, pin_memory,
    )  # fmt: skip


def randint_like(
    input: Tensor, *args: Any, low: Any = None, high: Any = None, generator: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Integers of [low, high) in the shape, dtype and device of ``input``."""
    low, high, _ = _interval("randint_like", (*args, ()), low, high, None)
    g = _source(generator)
    return like(
        "randint_like", input, lambda s, d: random_integers.randint(g, s, d, low, high), dtype, device, requires_grad, memory_format,
        layout, pin_memory,
    )  # fmt: skip


# -- distributions with parameters -----------------------------------------------------------------------------------


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, out: Any = None, dtype: Any = None,
    layout: Any = strided, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers: of one mean and standard deviation and this ``size``, or of those that tensors give.

    >>> import chainrule as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.normal(0.0, 1.0, (2,))
    tensor([ 1.5410, -0.2934])
    """
    g = _source(generator)
    if size is not None:
        kind = kind_of(dtype, out, "normal")
        m, s = float(mean), float(std)
        shape = sizes_of((size,), "normal")
        return _new(shape, kind, lambda sh: sampling.normal(g, sh, kind, m, s), out, requires_grad, device, layout, pin_memory)
    given = [x for x in (mean, std) if isinstance(x, Tensor)]
    if not given:
        raise TypeError("normal() received an invalid combination of arguments: numbers for mean and std need a size")
    kind = mean.dtype if isinstance(mean, Tensor) else std.dtype
    if len(given) == 2:
        return _sampled(g, lambda m, s: sampling.normal_of(g, m, s, kind), given, out, kind=kind.np)
    number, varied = (std, "mean") if given[0] is mean else (mean, "std")  # what is closed over must not be a tensor
    draw = lambda x: sampling.normal_of(g, *((x, number) if varied == "mean" else (number, x)), kind)
    return _sampled(g, draw, given, out, kind=kind.np)


@method
def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None, out: Any = None) -> Tensor:
    """Ones with the probabilities ``input`` (or ``p`` everywhere), zeros otherwise.

    >>> import chainrule as torch
    >>> torch.bernoulli(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    g = _source(generator)
    if p is not None:
        return like("bernoulli", input, lambda s, d: sampling.bernoulli(g, s, d, float(p)), None, None, False, None)
    if isinstance(input._value, Meta):
        return finish(Meta(input._value.shape, input._value.numpy_dtype), out, False)
    return _sampled(g, lambda v: sampling.bernoulli_of(g, v), (input,), out)


def _sampled(
    g: Generator, draw: Any, given: Sequence[Tensor], out: Any = None, *, kind: Any = None, width: int | None = None
) -> Tensor:  # fmt: skip
    """``draw`` of the values that are ``given``, through the interpreters of open transforms.

    The result has their shape, with ``width`` in place of the last dimension, and the first one's dtype, unless ``kind`` is another.
    """
    own = g is not default_generator
    result: Tensor = draw_op(*[x.detach() for x in given], draw=draw, kind=kind, width=width, own=own)
    if out is None:
        return result
    return finish(result._value, out, False)


def _draw_batch(op: Any, args: Any, mask: Any, kw: dict[str, Any]) -> Any:
    mode = MODES.vmaps[-1][2] if MODES.vmaps else "different"
    if mode == "different":
        return aligned(op, args, mask, kw)
    if mode == "error":
        raise RuntimeError(_IN_VMAP)
    raise RuntimeError("vmap: a random operation on batched parameters cannot draw the 'same' numbers for all samples")


def _draw(*given: Any, draw: Any, kind: Any, width: int | None, own: bool) -> Any:
    return draw(*map(np.asarray, given))


def _drawn_like(*given: Any, draw: Any, kind: Any, width: int | None, own: bool) -> Meta:
    shape = np.broadcast_shapes(*[x.shape for x in given])
    return Meta(shape if width is None else (*shape[:-1], width), given[0].numpy_dtype if kind is None else kind)


draw_op = Op("draw", _draw, kind="general", batch=_draw_batch, infer=_drawn_like, variadic=True)


@method
def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None, out: Any = None) -> Tensor:
    """``num_samples`` indices drawn from each row of ``input`` in proportion to its values.

    Raises RuntimeError for values that are no distribution.

    >>> import chainrule as torch
    >>> torch.multinomial(torch.tensor([0.0, 1.0]), 1)
    tensor([1])
    """
    g = _source(generator)
    if isinstance(out, Tensor) and out.dtype is not int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {out.dtype.scalar_name}")
    draw = lambda v: sampling.multinomial(g, v, num_samples, replacement)
    return _sampled(g, draw, (input,), out, kind=int64.np, width=num_samples)


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Poisson numbers of the rates ``input``.

    >>> import chainrule as torch
    >>> torch.poisson(torch.zeros(2))
    tensor([0., 0.])
    """
    g = _source(generator)
    return _sampled(g, lambda v: rejection.poisson(g, v), (input,))


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """How many of ``count`` trials succeed, each with probability ``prob``."""
    g = _source(generator)
    return _sampled(g, lambda n, p: rejection.binomial(g, n, p), (count, prob))


# -- in place --------------------------------------------------------------------------------------------------------


def _fill(self: Tensor, name: str, draw: Any, node: str | None = None) -> Tensor:
    """Write ``draw(shape, dtype)`` over the tensor."""
    kind = self.dtype
    value = self._value
    plain = self._gn is None and not self._flags and not MODES.vmaps and MODES.recorder is None
    if plain and type(value) is np.ndarray and value.flags.c_contiguous:
        value[...] = draw(value.shape, kind)
        written(value, name)
        return self
    if isinstance(value, Meta):
        return self
    if MODES.vmaps and MODES.vmaps[-1][2] == "different" and getattr(value, "level", 0) < MODES.vmaps[-1][0]:
        raise RuntimeError(
            "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like same randomness. If this is"
            " necessary for your usage, please file an issue with functorch."
        )
    source = like(name, self.detach(), draw, kind, None, False, None)
    return write(name, self, source, node or "".join([w.capitalize() for w in name.split("_")]) + "Backward0")


@method
def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Any = None, **kw: Any) -> Tensor:
    """Write uniform numbers of [from, to)."""
    low = kw.pop("from", from_)
    if kw:
        raise TypeError(f"uniform_() got an unexpected keyword argument '{next(iter(kw))}'")
    g = _source(generator)
    return _fill(self, "uniform_", lambda s, d: sampling.uniform(g, s, d, float(low), float(to)))


@method
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Write normal numbers."""
    g = _source(generator)
    value = self._value
    in_order = value.contiguous() if isinstance(value, Value) else self.is_contiguous()
    return _fill(self, "normal_", lambda s, d: sampling.normal(g, s, d, float(mean), float(std), in_order))


@method
def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Any = None) -> Tensor:
    """Write numbers whose logarithms are normal."""
    g = _source(generator)
    return _fill(self, "log_normal_", lambda s, d: sampling.log_normal(g, s, d, float(mean), float(std)))


@method
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Write exponential numbers of this rate."""
    g = _source(generator)
    return _fill(self, "exponential_", lambda s, d: sampling.exponential(g, s, d, float(lambd)))


@method
def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> Tensor:
    """Write Cauchy numbers."""
    g = _source(generator)
    return _fill(self, "cauchy_", lambda s, d: sampling.cauchy(g, s, d, float(median), float(sigma)))


@method
def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Write how many trials of probability ``p`` the first success takes."""
    g = _source(generator)
    return _fill(self, "geometric_", lambda s, d: sampling.geometric(g, s, d, float(p)))


@method
def random_(self: Tensor, *args: Any, generator: Any = None, **kw: Any) -> Tensor:
    """Write integers: ``random_()``, ``random_(to)``, ``random_(from, to)``."""
    low, high = kw.pop("from", None), kw.pop("to", None)
    given = list(args)
    if given and len(given) == 1 and high is None and low is None:
        high = given.pop()
    elif given:
        low = given.pop(0) if low is None else low
        high = given.pop(0) if given else high
    if kw or given:
        raise TypeError(f"random_() got an unexpected argument {next(iter(kw), given[0] if given else '')!r}")
    g = _source(generator)
    if low is None and high is None:
        return _fill(self, "random_", lambda s, d: random_integers.random(g, s, d), "RandomBackward2")
    if high is None:
        return _fill(self, "random_", lambda s, d: random_integers.random_from(g, s, d, int(low)))
    return _fill(
        self, "random_", lambda s, d: random_integers.randint(g, s, d, int(low or 0), int(high)),
        "RandomBackward1" if low is None else "RandomBackward0",
    )  # fmt: skip


@method
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Write ones with probability ``p`` (a number or a tensor of probabilities), zeros otherwise."""
    g = _source(generator)
    if isinstance(p, Tensor):
        kind = self.dtype
        given = (p.expand(tuple(self.shape)),)
        source = _sampled(g, lambda v: sampling.bernoulli_of(g, v, kind), given, kind=kind.np)
        return write("bernoulli_", self, source, "BernoulliBackward1")
    return _fill(self, "bernoulli_", lambda s, d: sampling.bernoulli(g, s, d, float(p)), "BernoulliBackward2")


__all__ = [
    "Generator", "bernoulli", "binomial", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "multinomial", "normal",
    "poisson", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "seed", "set_rng_state",
]  # fmt: skip
