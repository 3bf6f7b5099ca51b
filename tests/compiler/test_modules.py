"""Every module and every optimizer, compiled against uncompiled: a training step with its state, a call by itself, and evaluation.

Machine code runs a share of the modules, NumPy all; ``CHAINRULE_ROWS=all`` runs all on both.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as torch
from chainrule.compiler.front import Compiled, default_engine
from chainrule.compiler.program.execute import prepare

from .differential import close, leaves

nn = torch.nn
NATIVE = 1 if os.environ.get("CHAINRULE_ROWS") == "all" else 5

Inputs = Callable[[], tuple[Any, ...]]


def floats(*shapes: tuple[int, ...]) -> Inputs:
    return lambda: tuple([torch.randn(*s) for s in shapes])


def positive(*shapes: tuple[int, ...]) -> Inputs:
    return lambda: tuple([torch.rand(*s) * 0.8 + 0.1 for s in shapes])


def classes(shape: tuple[int, ...], many: int, *target: int) -> Inputs:
    return lambda: (torch.randn(*shape), torch.randint(many, target))


def _activations() -> dict[str, tuple[Any, Inputs]]:
    plain = (
        "CELU ELU GELU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid"
        " Softplus Softshrink Softsign Tanh Tanhshrink Identity Dropout AlphaDropout FeatureAlphaDropout"
    ).split()
    return {n: (getattr(nn, n), floats((5, 6))) for n in plain}


def _sized() -> dict[str, tuple[Any, Inputs]]:
    found: dict[str, tuple[Any, Inputs]] = {}
    for d, space in ((1, (8,)), (2, (8, 6)), (3, (4, 6, 4))):
        x = floats((2, 4, *space))
        for name, make in {
            "Conv": lambda k: k(4, 6, 3, padding=1, stride=2), "ConvTranspose": lambda k: k(4, 2, 3, stride=2, output_padding=1),
            "BatchNorm": lambda k: k(4), "InstanceNorm": lambda k: k(4, affine=True, track_running_stats=True), "MaxPool": lambda k: k(2),
            "AvgPool": lambda k: k(2), "AdaptiveAvgPool": lambda k: k(2), "AdaptiveMaxPool": lambda k: k(2), "LPPool": lambda k: k(2, 2),
            "ConstantPad": lambda k: k(1, 0.5), "ZeroPad": lambda k: k(1), "CircularPad": lambda k: k(1), "ReflectionPad": lambda k: k(1),
            "ReplicationPad": lambda k: k(1), "Dropout": lambda k: k(0.4), "LazyConv": lambda k: k(3, 2), "LazyBatchNorm": lambda k: k(),
            "LazyConvTranspose": lambda k: k(3, 2), "LazyInstanceNorm": lambda k: k(),
        }.items():  # fmt: skip
            kind = getattr(nn, f"{name}{d}d")
            found[f"{name}{d}d"] = (lambda make=make, kind=kind: make(kind), x)
    return found


def _losses() -> dict[str, tuple[Any, Inputs]]:
    pairs = "HuberLoss L1Loss MSELoss SmoothL1Loss".split()
    found: dict[str, tuple[Any, Inputs]] = {n: (getattr(nn, n), floats((4, 5), (4, 5))) for n in pairs}
    signs = lambda: (torch.randn(4, 5), torch.randint(2, (4, 5)) * 2.0 - 1)
    return found | {
        "BCELoss": (nn.BCELoss, positive((4, 5), (4, 5))),
        "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss, lambda: (torch.randn(4, 5), torch.rand(4, 5))),
        "CTCLoss": (
            nn.CTCLoss,
            lambda: (torch.randn(9, 2, 6).log_softmax(-1), torch.randint(1, 6, (2, 3)), torch.tensor([9, 8]), torch.tensor([3, 2])),
        ),
        "CTCLoss, targets in a row": (
            lambda: nn.CTCLoss(blank=2, reduction="sum"),
            lambda: (
                torch.randn(6, 2, 5).log_softmax(-1), torch.randint(3, 5, (4,)), torch.randint(5, 7, (2,)),
                torch.tensor([[1, 3], [2, 2], [3, 1]])[int(torch.randint(3, ()))],
            ),
        ),
        "CosineEmbeddingLoss": (nn.CosineEmbeddingLoss, lambda: (torch.randn(4, 5), torch.randn(4, 5), torch.tensor([1, -1, 1, -1]))),
        "CrossEntropyLoss": (lambda: nn.CrossEntropyLoss(label_smoothing=0.1), classes((6, 5), 5, 6)),
        "GaussianNLLLoss": (nn.GaussianNLLLoss, lambda: (torch.randn(4, 5), torch.randn(4, 5), torch.rand(4, 5) + 0.1)),
        "HingeEmbeddingLoss": (nn.HingeEmbeddingLoss, signs),
        "KLDivLoss": (lambda: nn.KLDivLoss(reduction="batchmean"), lambda: (torch.randn(4, 5).log_softmax(-1), torch.rand(4, 5))),
        "MarginRankingLoss": (nn.MarginRankingLoss, lambda: (torch.randn(6), torch.randn(6), torch.randint(2, (6,)) * 2.0 - 1)),
        "MultiLabelMarginLoss": (nn.MultiLabelMarginLoss, lambda: (torch.randn(2, 4), torch.tensor([[3, 0, -1, 1], [1, -1, 0, 2]]))),
        "MultiLabelSoftMarginLoss": (nn.MultiLabelSoftMarginLoss, lambda: (torch.randn(4, 5), torch.randint(2, (4, 5)) * 1.0)),
        "MultiMarginLoss": (nn.MultiMarginLoss, classes((4, 5), 5, 4)),
        "NLLLoss": (nn.NLLLoss, lambda: (torch.randn(6, 5).log_softmax(-1), torch.randint(5, (6,)))),
        "PoissonNLLLoss": (nn.PoissonNLLLoss, lambda: (torch.randn(4, 5), torch.randint(5, (4, 5)) * 1.0)),
        "SoftMarginLoss": (nn.SoftMarginLoss, signs),
        "TripletMarginLoss": (nn.TripletMarginLoss, floats((4, 5), (4, 5), (4, 5))),
        "TripletMarginWithDistanceLoss": (nn.TripletMarginWithDistanceLoss, floats((4, 5), (4, 5), (4, 5))),
        "AdaptiveLogSoftmaxWithLoss": (lambda: nn.AdaptiveLogSoftmaxWithLoss(16, 12, [4, 8], 2.0), classes((6, 16), 12, 6)),
    }


def _bags() -> tuple[Any, Any]:
    """Indices, and where bags begin: one of them is empty."""
    return torch.randint(10, (9,)), torch.tensor([0, 2, 2, int(torch.randint(3, 9, ()))])


def _rest() -> dict[str, tuple[Any, Inputs]]:
    image = floats((2, 4, 6, 6))
    return {
        "Bilinear": (lambda: nn.Bilinear(3, 4, 5), floats((6, 3), (6, 4))),
        "ChannelShuffle": (lambda: nn.ChannelShuffle(2), image),
        "CosineSimilarity": (nn.CosineSimilarity, floats((4, 5), (4, 5))),
        "CrossMapLRN2d": (lambda: nn.CrossMapLRN2d(3), image),
        "Embedding": (lambda: nn.Embedding(10, 4, padding_idx=0), lambda: (torch.randint(10, (3, 5)),)),
        "EmbeddingBag": (lambda: nn.EmbeddingBag(10, 4), lambda: (torch.randint(10, (3, 5)),)),
        "EmbeddingBag, largest": (lambda: nn.EmbeddingBag(10, 4, mode="max", padding_idx=2), lambda: (torch.randint(10, (3, 5)),)),
        "EmbeddingBag, bags by offsets": (lambda: nn.EmbeddingBag(10, 4, padding_idx=1), _bags),
        "EmbeddingBag, weighted": (
            lambda: nn.EmbeddingBag(10, 4, mode="sum", include_last_offset=True), lambda: (*_bags(), torch.rand(9))
        ),
        "Flatten": (nn.Flatten, image),
        "Fold": (lambda: nn.Fold((4, 4), 2), floats((2, 8, 9))),
        "FractionalMaxPool2d": (lambda: nn.FractionalMaxPool2d(2, output_size=3), image),
        "FractionalMaxPool3d": (lambda: nn.FractionalMaxPool3d(2, output_size=2), floats((1, 2, 5, 5, 5))),
        "GLU": (nn.GLU, floats((4, 6))),
        "GRU": (lambda: nn.GRU(4, 6, 2, batch_first=True, dropout=0.2), floats((3, 5, 4))),
        "GRUCell": (lambda: nn.GRUCell(4, 6), floats((3, 4), (3, 6))),
        "GroupNorm": (lambda: nn.GroupNorm(2, 4), image),
        "LSTM": (lambda: nn.LSTM(4, 6, bidirectional=True), floats((5, 3, 4))),
        "LSTMCell": (lambda: nn.LSTMCell(4, 6), floats((3, 4))),
        "LayerNorm": (lambda: nn.LayerNorm((6, 6)), image),
        "LazyLinear": (lambda: nn.LazyLinear(3), floats((4, 5))),
        "Linear": (lambda: nn.Linear(5, 3), floats((4, 5))),
        "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2), image),
        "LogSoftmax": (lambda: nn.LogSoftmax(-1), floats((4, 5))),
        "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2, batch_first=True), floats((2, 4, 8), (2, 5, 8), (2, 5, 8))),
        "PairwiseDistance": (nn.PairwiseDistance, floats((4, 5), (4, 5))),
        "PixelShuffle": (lambda: nn.PixelShuffle(2), image),
        "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), image),
        "RMSNorm": (lambda: nn.RMSNorm(6), image),
        "RNN": (lambda: nn.RNN(4, 6, nonlinearity="relu"), floats((5, 3, 4))),
        "RNNCell": (lambda: nn.RNNCell(4, 6), floats((3, 4))),
        "Softmax": (lambda: nn.Softmax(1), image),
        "Softmax2d": (nn.Softmax2d, image),
        "Softmin": (lambda: nn.Softmin(-1), floats((4, 5))),
        "SyncBatchNorm": (lambda: nn.SyncBatchNorm(4), image),
        "Threshold": (lambda: nn.Threshold(0.1, 20.0), floats((4, 5))),
        "Transformer": (lambda: nn.Transformer(8, 2, 1, 1, 16, dropout=0.1, batch_first=True), floats((2, 4, 8), (2, 3, 8))),
        "TransformerDecoder": (lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 2), floats((3, 2, 8), (4, 2, 8))),
        "TransformerDecoderLayer": (lambda: nn.TransformerDecoderLayer(8, 2, 16), floats((3, 2, 8), (4, 2, 8))),
        "TransformerEncoder": (
            lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False),
            floats((2, 4, 8)),
        ),
        "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, norm_first=True), floats((4, 2, 8))),
        "Unflatten": (lambda: nn.Unflatten(1, (2, 3)), floats((4, 6))),
        "Unfold": (lambda: nn.Unfold(2), image),
        "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), image),
        "UpsamplingBilinear2d": (lambda: nn.UpsamplingBilinear2d(scale_factor=2), image),
        "UpsamplingNearest2d": (lambda: nn.UpsamplingNearest2d(scale_factor=2), image),
        **{
            f"MaxUnpool{d}d": (lambda d=d: Unpooled(d), floats((1, 2, *[6] * d))) for d in (1, 2, 3)
        },
    }  # fmt: skip


class Unpooled(nn.Module):
    """A pooling and its inverse."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.pool, self.back = getattr(nn, f"MaxPool{d}d")(2, return_indices=True), getattr(nn, f"MaxUnpool{d}d")(2)

    def forward(self, x: Any) -> Any:
        return self.back(*self.pool(x))


MODULES = _activations() | _sized() | _losses() | _rest()
# What Python decides by values in the middle.
SPLIT = "AdaptiveLogSoftmaxWithLoss".split()
# What other tests have, or what computes nothing by itself.
CONTAINERS = "DataParallel Module ModuleDict ModuleList ParameterDict ParameterList RNNBase RNNCellBase Sequential".split()


def test_every_module_is_here() -> None:
    all_modules = {n for n, k in vars(nn).items() if isinstance(k, type) and issubclass(k, nn.Module)}
    assert all_modules == {*[name.partition(",")[0] for name in MODULES], *CONTAINERS}


def assert_same(got: dict[str, Any], want: dict[str, Any], what: str) -> None:
    assert got.keys() == want.keys(), what
    for name, w in want.items():
        g = got[name]
        assert (g.dtype, g.shape) == (w.dtype, w.shape), (what, name)
        a, b = g.detach().numpy(), w.detach().numpy()
        assert close(a, b, str(w.dtype).partition(".")[2]), f"{what}, {name}: {np.abs(a - b).max()}"


def state_of(model: Any) -> dict[str, Any]:
    found = dict(model.state_dict())
    return found | {f"{n}.grad": p.grad for n, p in model.named_parameters() if p.grad is not None}


def end_of(result: Any) -> Any:
    """A number that depends on every element in its own way: of what is normalised, the sum of squares would have no gradient."""
    return (result * torch.arange(result.numel()).reshape(result.shape).cos()).sum() + result.square().mean()


def called(model: Any, inputs: tuple[Any, ...], wrap: Any) -> tuple[Any, Any]:
    """A step of training and a call, as functions."""
    optimizer = torch.optim.SGD(list(model.parameters()) or [torch.nn.Parameter(torch.zeros(1))], lr=0.01, momentum=0.9)

    def step(*given: Any) -> Any:
        optimizer.zero_grad()
        given = tuple([x.detach().requires_grad_() if x.is_floating_point() else x for x in given])
        results = [r for _, r in leaves(model(*given), "")]
        total = sum([end_of(r) for r in results if r.requires_grad])
        total.backward()
        optimizer.step()
        return [r.detach() for r in results], [x.grad for x in given if x.grad is not None]

    return wrap(step), wrap(lambda *given: model(*given))


def made(name: str) -> tuple[Any, Inputs]:
    make, inputs = MODULES[name]
    torch.manual_seed(0)
    model = make()
    if name.startswith("Lazy"):
        model(*inputs())
    return model, inputs


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    number = list(MODULES).index(name)
    for engine in [prepare] if number % NATIVE else [prepare, default_engine()]:
        model, inputs = made(name)
        twin = copy.deepcopy(model)
        plain = called(model, inputs(), lambda f: f)
        wrapped: list[Compiled] = []

        def wrap(function: Any, engine: Any = engine, wrapped: list[Compiled] = wrapped) -> Compiled:
            wrapped.append(Compiled(function, engine=engine))
            return wrapped[-1]

        mine = called(twin, inputs(), wrap)
        for mode, (want_of, got_of) in (("train", (plain[0], mine[0])), ("call", (plain[1], mine[1])), ("eval", (plain[1], mine[1]))):
            model.train(mode != "eval")
            twin.train(mode != "eval")
            for number in range(4):
                torch.manual_seed(number)
                given = inputs()
                want = dict(leaves(list(want_of(*given)) if mode == "train" else want_of(*given), "result"))
                torch.manual_seed(number)
                given = inputs()
                result = got_of(*given)
                got = dict(leaves(list(result) if mode == "train" else result, "result"))
                assert_same(got, want, f"{mode} {number}")
                for found in (got, want):
                    ends = [end_of(r) for r in found.values() if r.requires_grad]
                    if ends and mode != "train":
                        sum(ends).backward()
                assert_same(state_of(twin), state_of(model), f"{mode} {number}")
        assert name in SPLIT or all(c.programs() for c in wrapped), [c.reasons for c in wrapped]


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}, "Adam": {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True},
    "AdamW": {"lr": 0.01, "maximize": True}, "Adadelta": {}, "Adafactor": {}, "Adagrad": {"lr_decay": 0.1}, "Adamax": {}, "ASGD": {},
    "NAdam": {"decoupled_weight_decay": True}, "RAdam": {}, "RMSprop": {"centered": True, "momentum": 0.3}, "Rprop": {}, "SparseAdam": {},
    "LBFGS": {"lr": 0.1, "max_iter": 3}, "Muon": {},
}  # fmt: skip


def test_every_optimizer_is_here() -> None:
    optim = torch.optim
    kinds = {n for n, k in vars(optim).items() if isinstance(k, type) and issubclass(k, optim.Optimizer) and k is not optim.Optimizer}
    assert kinds == set(OPTIMIZERS) & kinds and len(kinds) >= 12, kinds ^ set(OPTIMIZERS)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if hasattr(torch.optim, n)])
def test_optimizers(name: str, native: bool) -> None:
    def trained(wrap: Any) -> Any:
        torch.manual_seed(0)
        if name == "SparseAdam":
            model: Any = nn.Embedding(10, 3, sparse=True)
            x, y = torch.randint(10, (8,)), torch.randn(8, 3)
        else:
            model = nn.Linear(6, 3, bias=name != "Muon")
            x, y = torch.randn(8, 6), torch.randn(8, 3)
        optimizer = getattr(torch.optim, name)(model.parameters(), **OPTIMIZERS[name])

        def closure() -> Any:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            return loss

        def step() -> Any:
            if name == "LBFGS":
                return optimizer.step(closure)
            loss = closure()
            optimizer.step()
            return loss

        run = wrap(step)
        found = {f"loss {k}": run().detach() for k in range(6)} | dict(model.state_dict())
        for k, held in enumerate(optimizer.state.values()):
            found |= {f"{k} {n}": v for n, v in held.items() if isinstance(v, torch.Tensor)}
        return found

    assert_same(trained(lambda f: Compiled(f, engine=default_engine() if native else prepare)), trained(lambda f: f), name)
