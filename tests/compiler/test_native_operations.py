"""Operations that are part of programs, without a step on NumPy: values and gradients as uncompiled, by machine code and by NumPy."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as T
from chainrule.compiler.front import Compiled, default_engine
from chainrule.compiler.program.execute import prepare

F = T.nn.functional
ROUNDING = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 3e-5, "float64": 1e-11}


class Row(NamedTuple):
    """A function of ``x`` of this shape; ``kinds`` are the dtypes it takes, ``marks`` whether there are NaN, infinities, equal elements."""

    name: str
    run: Callable[[Any], Any]
    shape: tuple[int, ...]
    kinds: tuple[str, ...] = ("float32", "float64")
    marks: str = ""


FLOATS = ("float32", "float64")
NUMBERS = (*FLOATS, "int64", "int32", "uint8")
HALVES = ("float16", "bfloat16")
ALL = (*NUMBERS, "bool", *HALVES)


def scattered(x: Any, reduce: str, own: bool) -> Any:
    index = T.tensor([[0, 2, 2, 1], [2, 0, 2, 2]])
    return x[2:].scatter_reduce(1, index, x[:2, :4] + x[:2, 1:], reduce, include_self=own)


def _rows() -> list[Row]:
    rows = [
        Row("pad", lambda x: F.pad(x, (1, 2, -1, 3), value=1), (3, 4, 5), ALL),
        Row("functions", lambda x: (x * 2 - 1).sin() + x.relu().exp() / (x.abs() + 1) - x.sigmoid(), (3, 5), HALVES),
        Row("choices", lambda x: (x > 0, x.clamp(-1, 1), x.maximum(x.flip(0)), T.where(x < 0, x, -x), x.floor()), (3, 5), HALVES, "nan"),
        Row("a product", lambda x: x @ x.mT + x.sum() * 0.1, (5, 5), HALVES),
        Row("softmax", lambda x: (x.softmax(1), x.log_softmax(0), x.mean(1)), (3, 5), HALVES),
        Row("gelu", lambda x: F.gelu(x) + F.silu(x) + F.softplus(x), (3, 5), HALVES),
        Row("pad of nothing", lambda x: F.pad(x, (1, 2)), (2, 0), NUMBERS),
        Row("crop", lambda x: F.pad(x, (-1, -2)), (2, 5), ALL),
        Row("reflect", lambda x: F.pad(x, (2, 1), "reflect"), (2, 3, 5)),
        Row("reflect 2d", lambda x: F.pad(x, (2, 1, 3, 0), "reflect"), (2, 3, 5, 4)),
        Row("replicate", lambda x: F.pad(x, (2, 0, 1, 1), "replicate"), (2, 3, 4, 5)),
        Row("replicate 3d", lambda x: F.pad(x, (2, 1, 1, 1, 0, 2), "replicate"), (1, 2, 3, 4, 5)),
        Row("circular", lambda x: F.pad(x, (2, 1, 1, 0), "circular"), (2, 3, 4, 5)),
        Row("nearest twice", lambda x: F.interpolate(x, scale_factor=2), (2, 3, 4, 5)),
        Row("nearest uneven", lambda x: F.interpolate(x, size=(7, 3)), (2, 3, 4, 5)),
        Row("nearest many", lambda x: F.interpolate(x, size=40), (2, 3, 33)),
        Row("nearest-exact", lambda x: F.interpolate(x, size=(7, 3), mode="nearest-exact"), (2, 3, 4, 5)),
        Row("linear", lambda x: F.interpolate(x, size=7, mode="linear"), (2, 3, 4)),
        Row("bilinear", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (2, 3, 4, 5)),
        Row("bilinear aligned", lambda x: F.interpolate(x, size=(3, 9), mode="bilinear", align_corners=True), (2, 3, 4, 5)),
        Row("bilinear smooth", lambda x: F.interpolate(x, size=(2, 3), mode="bilinear", antialias=True), (2, 3, 4, 5)),
        Row("bicubic", lambda x: F.interpolate(x, size=(6, 3), mode="bicubic"), (2, 3, 4, 5)),
        Row("trilinear", lambda x: F.interpolate(x, scale_factor=(2, 1, 2), mode="trilinear"), (1, 2, 3, 2, 4)),
        Row("bilinear of large images", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (1, 1, 300, 7)),
        Row("area", lambda x: F.interpolate(x, size=(2, 3), mode="area"), (2, 3, 4, 5)),
        Row("adaptive 1", lambda x: F.adaptive_avg_pool2d(x, 1), (2, 3, 4, 5)),
        Row("adaptive even", lambda x: F.adaptive_avg_pool2d(x, (2, 5)), (2, 3, 4, 5)),
        Row("adaptive uneven", lambda x: F.adaptive_avg_pool2d(x, (3, 2)), (2, 3, 4, 5)),
        Row("adaptive 3d", lambda x: F.adaptive_avg_pool3d(x, (1, 2, 2)), (2, 2, 3, 4, 5)),
        Row("adaptive line", lambda x: F.adaptive_avg_pool1d(x, 3), (2, 3, 8)),
        Row("mean of windows", lambda x: F.avg_pool2d(x, 2), (2, 3, 4, 5)),
        Row("mean of windows that overlap", lambda x: F.avg_pool2d(x, 3, 2, 1), (2, 3, 7, 6)),
        Row("mean of windows, one further each", lambda x: F.avg_pool1d(x, 3, 1), (2, 3, 7)),
        Row("mean of windows with gaps", lambda x: F.avg_pool1d(x, 2, 3), (2, 3, 9)),
        Row("mean without padding", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 3, 6, 5)),
        Row("mean beyond the end", lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True), (2, 3, 6, 8)),
        Row("mean by a divisor", lambda x: F.avg_pool2d(x, 2, 1, 1, divisor_override=3), (2, 3, 4, 4)),
        Row("mean in 3d", lambda x: F.avg_pool3d(x, 2, 1, 1), (1, 2, 3, 4, 3)),
        Row("unfold", lambda x: F.unfold(x, (2, 3), dilation=(2, 1), padding=(1, 0), stride=(1, 2)), (2, 3, 5, 6)),
        Row("patches", lambda x: F.unfold(x, 2, stride=2), (2, 3, 4, 6)),
        Row("fold", lambda x: F.fold(x, (5, 6), (2, 3), padding=1), (2, 12, 36)),
        Row("fold of patches", lambda x: F.fold(x, (4, 6), 2, stride=2), (2, 12, 6)),
        Row("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), (2, 8, 3, 4)),
        Row("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), (2, 3, 4, 6)),
        Row("channel_shuffle", lambda x: F.channel_shuffle(x, 3), (2, 6, 4)),
        Row("glu", lambda x: F.glu(x, 1), (3, 6, 2), (*FLOATS, "float16")),
        Row("nan_to_num", lambda x: T.nan_to_num(x, 1.0, 2.0, -3.0), (20,), FLOATS, "nan inf"),
        Row("nan_to_num plain", lambda x: T.nan_to_num(x), (20,), ALL, "nan inf"),
        Row("sgn", lambda x: x.sgn() * x, (10,), ("float32", "float64", "int64")),
        Row("sinc", lambda x: T.sinc(x), (9,)),
        Row("logaddexp2", lambda x: T.logaddexp2(x, x.flip(0)), (9,)),
        Row("cumsum", lambda x: x.cumsum(1), (3, 7, 2), NUMBERS),
        Row("cumsum of a vector", lambda x: x.cumsum(-1), (40,), ALL, "nan inf"),
        Row("cumsum of nothing", lambda x: x.cumsum(1), (2, 0), NUMBERS),
        Row("cumsum of a number", lambda x: x.cumsum(0), (), FLOATS),
        Row("cumprod", lambda x: x.cumprod(1), (3, 5, 2), NUMBERS),
        Row("cumprod of a vector", lambda x: x.cumprod(-1), (6,), ALL),
        Row("cummax", lambda x: x.cummax(1), (3, 7, 2), NUMBERS, "nan equal"),
        Row("cummin", lambda x: x.cummin(-1), (30,), (*NUMBERS, "float16"), "nan inf equal"),
        Row("logcumsumexp", lambda x: x.logcumsumexp(1), (3, 7), (*FLOATS, "float16")),
        Row("logcumsumexp with infinities", lambda x: x.detach().logcumsumexp(0), (30,), FLOATS, "inf equal"),
        Row("adaptive maximum", lambda x: F.adaptive_max_pool2d(x, (2, 3)), (2, 3, 4, 7), (*FLOATS, "float16"), "nan equal"),
        Row("adaptive maximum of all", lambda x: F.adaptive_max_pool2d(x, 1), (2, 3, 4, 5)),
        Row("adaptive maximum, 3d", lambda x: F.adaptive_max_pool3d(x, (2, 1, 3)), (2, 3, 4, 5)),
        Row("unpooling", lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), (2, 3, 4, 6)),
        Row("masked_scatter", lambda x: x[:2].detach().masked_scatter(x[:2] > 0, x[2:].detach()), (4, 5), (*FLOATS, "int64")),
        Row("dist", lambda x: T.dist(x[0], x[1], 3), (2, 5)),
        Row("norm 3", lambda x: T.linalg.vector_norm(x, 3, dim=1), (3, 5)),
        Row("norm 0", lambda x: T.linalg.vector_norm(x, 0, dim=1), (3, 5), FLOATS, "equal"),
        Row("norm least", lambda x: T.linalg.vector_norm(x, -float("inf"), dim=0), (3, 5)),
        Row("nansum", lambda x: T.nansum(x, 1), (3, 5), FLOATS, "nan"),
        Row("nanmean", lambda x: T.nanmean(x, 1), (3, 5), FLOATS, "nan"),
        Row("count_nonzero", lambda x: T.count_nonzero(x, 1), (3, 5), ALL, "equal"),
        Row("how many", lambda x: (x > 0).sum(), (3, 5), ALL),
        Row("aminmax", lambda x: T.aminmax(x, dim=1), (3, 5), NUMBERS, "nan"),
        Row("max along", lambda x: x.max(1), (3, 5), ALL, "equal"),
        Row("min along", lambda x: x.min(0).values, (3, 5), ALL, "nan"),
        Row("any", lambda x: (x.any(), x.all(1)), (3, 5), ALL, "equal"),
        Row("prod", lambda x: x.prod(1), (3, 5), NUMBERS),
        Row("cross", lambda x: T.linalg.cross(x, x.flip(0)), (4, 3)),
        Row("trace", lambda x: x.trace() * 2, (4, 3)),
        Row("block_diag", lambda x: T.block_diag(x, x[:, :1]), (2, 3)),
        Row("sort", lambda x: x.sort(1), (3, 9, 2), ALL, "nan inf equal"),
        Row("sort down", lambda x: x.sort(0, descending=True), (9, 3), ALL, "nan inf equal"),
        Row("sort of a long row", lambda x: x.sort(), (2, 200), ALL, "nan inf equal"),
        Row("sort of a long row down", lambda x: x.sort(descending=True), (2, 200), ALL, "nan equal"),
        Row("sort along the first of two", lambda x: x.sort(0), (300, 5), FLOATS),
        Row("sort of a turned row", lambda x: x.t().sort(1), (70, 3), FLOATS),
        Row("sort of few", lambda x: (x.sort(1), x.sort(0).indices), (1, 2), NUMBERS),
        Row("sort of nothing", lambda x: x.sort(1), (2, 0), NUMBERS),
        Row("sort of a number", lambda x: x.sort(), (), NUMBERS),
        Row("msort", lambda x: x.msort(), (65, 2), FLOATS, "nan"),
        Row("argsort", lambda x: x.argsort(-1), (3, 65), ALL, "nan equal"),
        Row("many equal", lambda x: (x * 0).argsort(), (500,), NUMBERS),
        Row("topk", lambda x: x.topk(3, 1), (4, 9), (*NUMBERS, "float16"), "nan inf equal"),
        Row("topk smallest", lambda x: x.topk(3, 0, largest=False), (9, 4), NUMBERS, "nan equal"),
        Row("topk of many", lambda x: x.topk(7), (3, 400), NUMBERS, "nan"),
        Row("topk of many smallest", lambda x: x.topk(20, largest=False), (2, 150), FLOATS, "nan"),
        Row("topk of all", lambda x: x.topk(80), (2, 80), FLOATS),
        Row("topk of none", lambda x: x.topk(0), (2, 8), FLOATS),
        Row("kthvalue", lambda x: x.kthvalue(3, 1, keepdim=True), (4, 9), NUMBERS),
        Row("median", lambda x: (x.median(1), x.median()), (4, 9), NUMBERS, "equal"),
        Row("median with NaN", lambda x: (x.median(1), x.median(0, keepdim=True), x[:1].median()), (6, 9), FLOATS, "nan"),
        Row("nanmedian", lambda x: (x.nanmedian(1), x.nanmedian(0), x.nanmedian()), (6, 9), FLOATS, "nan"),
        Row("quantile", lambda x: T.quantile(x, 0.3, dim=1), (4, 70), FLOATS),
        Row("searchsorted", lambda x: T.searchsorted(T.arange(7).to(x.dtype), x), (40,), NUMBERS, "nan"),
        Row("searchsorted right", lambda x: T.searchsorted(T.arange(8).to(x.dtype), x, right=True), (40,), NUMBERS, "nan equal"),
        Row("searchsorted rows", lambda x: T.searchsorted(x.abs().cumsum(1), x), (3, 9), ("float32", "int64")),
        Row("bucketize", lambda x: T.bucketize(x, T.tensor([0.5, 1.5, 2.5])), (2, 20), FLOATS, "nan"),
        Row("isin", lambda x: T.isin(x, T.tensor([1, 2]).to(x.dtype)), (20,), NUMBERS, "equal"),
    ]  # fmt: skip
    for p in (0.0, 1.0, 2.0, 3.0, float("inf")):
        rows.append(Row(f"cdist {p}", lambda x, p=p: T.cdist(x[:, :3], x[:, 3:], p), (2, 7, 3)))
        rows.append(Row(f"cdist {p} of long rows", lambda x, p=p: T.cdist(x[:3], x[3:], p), (7, 12)))
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        for own in (True, False):
            kinds = (*NUMBERS, *(["bool"] if reduce != "mean" else []))
            rows.append(Row(f"scatter {reduce} {own}", lambda x, r=reduce, o=own: scattered(x, r, o), (4, 5), kinds))
    rows.append(Row("index_add", lambda x: x[:3].index_add(0, T.tensor([2, 0]), x[3:5]), (5, 3), ALL))
    rows.append(Row("index_put", lambda x: x.index_put((T.tensor([1, 1, 0]),), x[:3], accumulate=True), (5, 3), ALL))
    rows.append(Row("cdist by product", lambda x: T.cdist(x[:30], x[30:]), (60, 5)))
    return rows


ROWS = _rows()


def array(row: Row, kind: str, call: int) -> Any:
    """Numbers of both signs, some of them equal, NaN or infinite where the row has that."""
    rng = np.random.default_rng(zlib.crc32(row.name.encode()) + call)
    a = rng.normal(size=row.shape) * 2
    if "equal" in row.marks or kind not in ROUNDING:
        a = np.round(a * 1.5)
    if kind in ROUNDING:
        for mark, value in (("nan", np.nan), ("inf", np.inf), ("inf", -np.inf)):
            if mark in row.marks:
                a[rng.random(row.shape) < 0.15] = value
    return T.tensor(np.abs(a) if kind == "uint8" else a).to(getattr(T, kind))


def close(got: Any, want: Any, what: str) -> None:
    g, w = got.detach(), want.detach()
    assert g.dtype == w.dtype and g.shape == w.shape, what
    limit = ROUNDING.get(str(w.dtype).removeprefix("torch.").removeprefix("chainrule."), 0)
    g, w = [(t.float() if t.dtype == T.bfloat16 else t).numpy() for t in (g, w)]
    finite = np.abs(w[np.isfinite(w)]) if w.dtype.kind == "f" else np.zeros(1)
    scale = max(1.0, float(finite.max(initial=0.0)))
    np.testing.assert_allclose(g, w, rtol=limit, atol=limit * scale, equal_nan=True, err_msg=what)


def leaves(found: Any) -> Iterator[Any]:
    """The tensors of nested tuples."""
    if isinstance(found, tuple):
        for part in found:
            yield from leaves(part)
    else:
        yield found


def outcome(row: Row, x: Any) -> list[Any]:
    """The results, and the gradient where there is one."""
    if not x.is_floating_point():
        return list(leaves(row.run(x)))
    x = x.detach().requires_grad_()
    results = list(leaves(row.run(x)))
    total = sum([(r.float() if r.itemsize == 2 else r).nan_to_num(0, 0, 0).pow(2).sum() for r in results if r.requires_grad])
    if isinstance(total, int):
        return results
    (g,) = T.autograd.grad(total, x)
    return [*[r.detach() for r in results], g]


@pytest.mark.parametrize("engine", [default_engine(), prepare], ids=["machine code", "NumPy"])
@pytest.mark.parametrize(("row", "kind"), [(r, k) for r in ROWS for k in r.kinds], ids=lambda v: getattr(v, "name", v))
def test_part_of_the_program(row: Row, kind: str, engine: Any) -> None:
    compiled = Compiled(lambda x: tuple(outcome(row, x)), engine=engine)
    for call in range(2):
        x = array(row, kind, call)
        want = outcome(row, x)
        for k, (g, w) in enumerate(zip(compiled(x), want, strict=True)):
            close(g, w, f"{row.name}: result {k} of call {call}")
    (program,) = compiled.programs()
    hosts = [n.attrs["function"].__name__ for n in program.nodes() if n.op == "call"]
    assert not hosts, f"{hosts} of {row.name} run on NumPy"


@pytest.mark.parametrize("engine", [default_engine(), prepare], ids=["machine code", "NumPy"])
def test_a_mask_of_more_elements_than_there_are(engine: Any) -> None:
    compiled = Compiled(lambda x, mask: x.masked_scatter(mask, x[:2]), engine=engine)
    x = T.arange(5.0)
    assert compiled(x, x > 2).tolist() == [0, 1, 2, 0, 1]
    with pytest.raises(RuntimeError, match="Number of elements of source < number of ones in mask"):
        compiled(x, x > 0)
