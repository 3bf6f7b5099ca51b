"""Gradients, hooks, detached names, writes, and the modes of recording."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch


def test_grad_can_be_assigned_only_by_what_fits():
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.ones(2)
    with pytest.raises(RuntimeError, match=r"attempting to assign a gradient of size '\[3\]' to a tensor of size '\[2\]'"):
        x.grad = torch.ones(3)
    with pytest.raises(RuntimeError, match="attempting to assign a gradient with dtype 'double' to a tensor with grad_dtype 'Float'"):
        x.grad = torch.ones(2, dtype=torch.float64)
    with pytest.raises(TypeError, match="assigned grad expected to be a Tensor or None but got grad of type int"):
        x.grad = 1
    with pytest.raises(RuntimeError, match="can't assign Variable as its own grad"):
        x.grad = x
    x.grad_dtype = None
    x.grad = torch.ones(2, dtype=torch.float64)
    del x.grad
    assert x.grad is None


def test_grad_of_a_non_leaf_warns_until_it_is_retained():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    with pytest.warns(UserWarning, match="is not a leaf Tensor is being accessed"):
        assert y.grad is None
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad and not x.retains_grad
    y.sum().backward()
    assert y.grad.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="can't retain_grad on Tensor that has requires_grad=False"):
        torch.ones(2).retain_grad()


def test_hooks_of_leaves_and_others():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    seen = []
    handle = y.register_hook(lambda g: seen.append("y") or g * 10)
    x.register_hook(lambda g: seen.append("x") or g + 1)
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    y.sum().backward(retain_graph=True)
    assert seen == ["y", "x", [21, 21]]
    handle.remove()
    y.sum().backward()
    assert x.grad.tolist() == [24, 24]
    for name in ("register_hook", "register_post_accumulate_grad_hook"):
        with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"):
            getattr(torch.ones(2), name)(print)


def test_detach_shares_memory_and_its_version():
    for x in (torch.ones(2, requires_grad=True), torch.tensor(1.0, requires_grad=True)):
        d = x.detach()
        y = x * x
        assert not d.requires_grad and d.data_ptr() == x.data_ptr()
        d.add_(1)
        assert (x == 2).all() and x._version == d._version == 1
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


def test_data_writes_are_not_noticed():
    x = torch.ones(2, requires_grad=True)
    y = x * x
    x.data.mul_(3)
    assert x.tolist() == [3, 3] and x._version == 0
    y.sum().backward()
    assert x.grad.tolist() == [6, 6]
    x.data = torch.zeros(3)
    assert x.shape == (3,) and x.requires_grad
    with pytest.raises(TypeError, match="Variable data has to be a tensor, but got int"):
        x.data = 1


def test_detach_in_place():
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).detach_()
    assert y.is_leaf and not y.requires_grad
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        (x * 2).view(2).detach_()


def test_requires_grad_of_non_leaves_stays():
    y = torch.ones(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
        y.requires_grad_(False)
    with pytest.raises(RuntimeError, match="only Tensors of floating point dtype can require gradients"):
        torch.ones(2, dtype=torch.int64).requires_grad_()


@pytest.mark.parametrize(
    ("write", "node", "x_grad", "s_grad"),
    [
        (lambda z, s: z.fill_(4), "FillBackward2", [0, 0], None),
        (lambda z, s: z.fill_(s), "FillBackward3", [0, 0], 3),
        (lambda z, s: z.zero_(), "ZeroBackward0", [0, 0], None),
        (lambda z, s: z.copy_(s), "CopyBackwards", [0, 0], 3),
        (lambda z, s: z[1:].copy_(s), "CopySlices", [2, 0], 2),
        (lambda z, s: z[0].zero_(), "CopySlices", [0, 4], None),
        (lambda z, s: z.uniform_(), "UniformBackward0", [0, 0], None),
        (lambda z, s: z.normal_(), "NormalBackward0", [0, 0], None),
    ],
)
def test_writes_over_recorded_tensors(write, node, x_grad, s_grad):
    x = torch.ones(2, requires_grad=True)
    s = torch.tensor(5.0, requires_grad=True)
    z = x * 2
    write(z, s)
    assert z.grad_fn.name().rpartition("::")[2] == node and f"grad_fn=<{node}>" in repr(z)
    (z * torch.tensor([1.0, 2.0])).sum().backward()
    assert x.grad.tolist() == x_grad
    assert (s.grad.item() if s.grad is not None else None) == s_grad


def test_writes_that_are_refused():
    x = torch.ones(2, requires_grad=True)
    for write in (lambda: x.fill_(1), lambda: x.zero_(), lambda: x.copy_(torch.ones(2)), lambda: x.uniform_()):
        with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
            write()
        assert x.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match=r"output with shape \[2\] doesn't match the broadcast shape \[2, 2\]"):
        torch.ones(2).copy_(torch.ones(2, 2))
    with pytest.raises(RuntimeError, match="fill_ only supports 0-dimension value tensor"):
        torch.ones(2).fill_(torch.ones(2))
    with pytest.raises(RuntimeError, match="value cannot be converted to type uint8_t without overflow"):
        torch.ones(2, dtype=torch.uint8).fill_(300)


def test_writes_broadcast_and_cast():
    x = torch.zeros(2, 2, dtype=torch.int64)
    assert x.copy_(torch.tensor([1.7, 2.2])).tolist() == [[1, 2], [1, 2]]
    assert x.fill_(2.9).tolist() == [[2, 2], [2, 2]] and x._version == 2
    assert torch.ones(1).expand(3).fill_(2).tolist() == [2, 2, 2]
    with torch.no_grad():
        leaf = torch.ones(2, requires_grad=True)
        leaf.copy_(torch.tensor([3.0, 4.0]))
    assert leaf.tolist() == [3, 4] and leaf.requires_grad and leaf.is_leaf


def test_scopes_switch_recording_and_restore_it():
    for make, inside in ((torch.no_grad, False), (torch.enable_grad, True), (lambda: torch.set_grad_enabled(False), False)):
        with make():
            assert torch.is_grad_enabled() is inside
        assert torch.is_grad_enabled() is True
    with pytest.raises(KeyError), torch.no_grad():
        raise KeyError
    assert torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)


@pytest.mark.parametrize(
    "decorate",
    [lambda: torch.no_grad(), lambda: torch.no_grad, lambda: torch.set_grad_enabled(False), lambda: torch.inference_mode(),
     lambda: torch.inference_mode],
)  # fmt: skip
def test_scopes_decorate_functions(decorate):
    @decorate()
    def name(x):
        """Words."""
        return x * 2, torch.is_grad_enabled()

    assert torch.is_grad_enabled()
    y, inside = name(torch.ones(2, requires_grad=True))
    assert not y.requires_grad and not inside
    assert name.__name__ == "name" and name.__doc__ == "Words."


def test_scopes_decorate_generators():
    @torch.no_grad()
    def steps():
        seen = []
        try:
            while True:
                got = yield torch.is_grad_enabled()
                seen.append((got, torch.is_grad_enabled()))
        except ValueError:
            yield seen

    g = steps()
    assert next(g) is False and torch.is_grad_enabled()
    assert g.send("a") is False and torch.is_grad_enabled()
    assert g.throw(ValueError()) == [("a", False)]
    assert torch.is_grad_enabled()


def test_decorated_functions_may_recurse():
    @torch.enable_grad()
    def inner(n):
        return torch.is_grad_enabled() if n == 0 else outer(n - 1)

    @torch.no_grad()
    def outer(n):
        return inner(n)

    assert outer(3) is True and torch.is_grad_enabled()


def test_inference_tensors_say_so_and_refuse():
    x = torch.ones(3)
    with torch.inference_mode():
        made = [
            x * 2,
            torch.ones(3, requires_grad=True) * 2,
            torch.zeros(2),
            x.sum(),
            x.clone(),
            torch.rand(2),
            torch.tensor([1.0]),
            x.exp(),
            x.double(),
            torch.zeros_like(x),
        ]
        assert not x.view(3).is_inference()
        made[0].add_(1)
        with torch.inference_mode(False):
            assert torch.is_grad_enabled() and not (x * 2).is_inference()
    for y in made:
        assert y.is_inference() and not y.requires_grad
        with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
            y._version
        with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"):
            y.requires_grad_()
        with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
            y.zero_()
        assert not y.clone().is_inference()
    assert not x.is_inference() and not torch.is_inference_mode_enabled()
    assert not (x * 2).is_inference()


def test_writes_inside_transforms():
    def f(x):
        y = torch.zeros_like(x)
        y.copy_(x * 2)
        y[0].fill_(3.0)
        return y

    def g(x):
        y = torch.zeros_like(x)
        return y.copy_(x * 2).add_(1)

    assert torch.func.vmap(g)(torch.arange(6.0).reshape(2, 3)).tolist() == [[1, 3, 5], [7, 9, 11]]
    assert torch.func.grad(lambda x: f(x).sum())(torch.ones(3)).tolist() == [0, 2, 2]
    value, tangent = torch.func.jvp(f, (torch.ones(3),), (torch.ones(3),))
    assert value.tolist() == [3, 2, 2] and tangent.tolist() == [0, 2, 2]


@pytest.mark.parametrize("shape", [(3, 3), (3, 4), (4, 2), (7, 2), (2, 2, 2)])
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("flipped", [False, True])
def test_fill_diagonal(shape, wrap, flipped):
    x = torch.zeros(shape[::-1]).permute(*range(len(shape) - 1, -1, -1)) if flipped else torch.zeros(shape)
    x.fill_diagonal_(2, wrap=wrap)
    expected = np.zeros(shape)
    np.fill_diagonal(expected, 2, wrap=wrap)
    assert x.tolist() == expected.tolist()


def test_fill_diagonal_is_recorded():
    x = torch.ones(2, 2, requires_grad=True)
    (x * 3).fill_diagonal_(0).sum().backward()
    assert x.grad.tolist() == [[0, 3], [3, 0]]
    with pytest.raises(RuntimeError, match="dimensions must larger than 1"):
        torch.ones(2).fill_diagonal_(1)
