"""Errors and warnings that a program may match on: PyTorch's types and words, compared with the real ones."""

from __future__ import annotations

import re
import sys
import warnings

import pytest

torch = pytest.importorskip("torch")

import chainrule  # noqa: E402

PROGRAMS = {}


@pytest.fixture(autouse=True)
def warn_each_time():
    """Some of PyTorch's warnings come once a process otherwise."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def run(function, T):
    """(exception type, message, [(warning category, message)])."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error = None
        try:
            function(T)
        except Exception as raised:
            error = raised
    warned = [(w.category.__name__, plain(str(w.message))) for w in caught if "torch.jit" not in str(w.message)]
    return type(error).__name__, plain(str(error)), warned


def plain(text):
    """Without what only a C++ library has to say, and without what chainrule adds after PyTorch's words."""
    text = re.sub(r" \(Triggered internally at .*?\)", "", text, flags=re.S)
    text = re.sub(r"\nException raised from .*", "", text, flags=re.S)
    text = text.replace("module 'chainrule", "module 'torch")
    text = re.split(r" Hint: |\nIt was overwritten |\nchainrule: ", text)[0]
    return text.strip().rstrip(".")


# -- the tape --------------------------------------------------------------------------------------------------------


@program
def second_backward(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


@program
def second_grad(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp().sum()
    T.autograd.grad(y, x)
    T.autograd.grad(y, x)


@program
def second_backward_without_saved_values(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    y = (x + 1).sum()
    y.backward()
    y.backward()  # sums save nothing, so PyTorch lets this pass


@program
def backward_of_a_vector(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).backward()


@program
def backward_of_an_integer(T):
    T.tensor(3).backward()


@program
def backward_without_history(T):
    T.tensor(3.0).backward()


@program
def backward_of_a_leaf(T):
    x = T.tensor(3.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1


@program
def backward_of_a_complex_scalar(T):
    x = T.tensor(1.0 + 1j, requires_grad=True)
    (x * x).backward()


@program
def grad_without_history(T):
    T.autograd.grad(T.tensor(3.0), T.tensor(2.0, requires_grad=True))


@program
def grad_of_an_input_without_history(T):
    x = T.tensor(2.0, requires_grad=True)
    T.autograd.grad(x * 2, T.tensor(2.0))


@program
def grad_of_an_unused_input(T):
    x, y = (T.tensor(v, requires_grad=True) for v in (1.0, 2.0))
    T.autograd.grad(x * 2, [x, y])


@program
def grad_of_a_vector(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    T.autograd.grad(x * 2, x)


@program
def cotangent_of_another_shape(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).backward(T.ones(3))


@program
def cotangent_of_another_shape_in_grad(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    T.autograd.grad(x * 2, x, T.ones(2, 1))


@program
def cotangent_complex(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).backward(T.ones(2, dtype=T.complex64))


@program
def too_many_cotangents(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    T.autograd.backward([x * 2], [T.ones(2), T.ones(2)])


@program
def backward_to_inputs_empty(T):
    x = T.tensor(1.0, requires_grad=True)
    (x * 2).backward(inputs=[])


@program
def materialize_against_unused(T):
    x = T.tensor(1.0, requires_grad=True)
    T.autograd.grad(x * 2, x, allow_unused=False, materialize_grads=True)


@program
def grad_of_a_non_leaf(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.sum().backward()
    assert y.grad is None


@program
def integer_requires_grad(T):
    T.tensor([1, 2], requires_grad=True)


@program
def integer_requires_grad_later(T):
    T.tensor([1, 2]).requires_grad_()


@program
def requires_grad_off_on_a_non_leaf(T):
    y = T.tensor([1.0, 2.0], requires_grad=True) * 2
    y.requires_grad = False


@program
def retain_grad_without_history(T):
    T.tensor([1.0]).retain_grad()


@program
def numpy_of_a_tensor_with_history(T):
    T.tensor([1.0], requires_grad=True).numpy()


@program
def array_of_a_tensor_with_history(T):
    import numpy as np

    np.asarray(T.tensor([1.0], requires_grad=True))


@program
def tolist_is_free(T):
    assert T.tensor([1.0], requires_grad=True).tolist() == [1.0]


@program
def scalar_conversion_with_history(T):
    float(T.tensor(1.0, requires_grad=True))


@program
def deepcopy_of_a_non_leaf(T):
    import copy

    copy.deepcopy(T.tensor([1.0], requires_grad=True) * 2)


@program
def pickle_of_a_non_leaf(T):
    import pickle

    pickle.dumps(T.tensor([1.0], requires_grad=True) * 2)


@program
def hook_without_history(T):
    T.tensor([1.0]).register_hook(lambda g: g)


@program
def hook_that_returns_another_shape(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: g.sum().reshape(1, 1, 1))
    (x * 2).sum().backward()


@program
def hook_that_returns_no_tensor(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: 3)
    (x * 2).sum().backward()


@program
def post_accumulate_hook_on_a_non_leaf(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).register_post_accumulate_grad_hook(lambda p: None)


@program
def assigning_a_grad_of_another_shape(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    x.grad = T.ones(3)


@program
def assigning_a_grad_of_another_dtype(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    x.grad = T.ones(2, dtype=T.float64)


@program
def assigning_a_grad_that_is_no_tensor(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    x.grad = 3.0


@program
def assigning_itself_as_grad(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    x.grad = x


# -- in-place --------------------------------------------------------------------------------------------------------


@program
def in_place_on_a_leaf(T):
    T.tensor([1.0, 2.0], requires_grad=True).add_(1)


@program
def in_place_operator_on_a_leaf(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    x *= 2


@program
def in_place_on_a_view_of_a_leaf(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    x[0] = 3.0


@program
def in_place_on_a_kept_view_of_a_leaf(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    x.view(2).mul_(2)


@program
def in_place_on_one_of_several_views(T):
    y = T.tensor([1.0, 2.0], requires_grad=True) * 2
    y.unbind()[0].mul_(2)


@program
def in_place_on_a_split(T):
    y = T.tensor([1.0, 2.0], requires_grad=True) * 2
    a, _ = y.split(1)
    a.add_(1)


@program
def in_place_on_an_expanded_tensor(T):
    T.zeros(3, 1).expand(3, 4).add_(T.ones(3, 4))


@program
def in_place_changes_the_dtype(T):
    T.tensor([1, 2]).add_(1.5)


@program
def in_place_division_of_integers(T):
    T.tensor([1, 2]).div_(2)


@program
def in_place_changes_the_shape(T):
    T.ones(1).add_(T.ones(3))


@program
def in_place_on_a_leaf_without_recording(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    with T.no_grad():
        x.add_(1)
    x.sum().backward()


@program
def view_made_without_recording_then_written(T):
    x = T.tensor([1.0, 2.0], requires_grad=True) * 1
    with T.no_grad():
        v = x[0:1]
    v.mul_(2)


@program
def stale_saved_input(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y * y
    y.add_(1)
    z.sum().backward()


@program
def stale_saved_output(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    y.mul_(2)
    y.sum().backward()


@program
def stale_saved_leaf(T):
    w = T.tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    with T.no_grad():
        w.add_(1)
    y.backward()


@program
def stale_saved_double_matrix(T):
    w = T.ones(2, 3, dtype=T.float64, requires_grad=True)
    x = T.ones(4, 2, dtype=T.float64)
    y = x @ w
    x.zero_()
    y.sum().backward()


@program
def stale_through_a_view(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y.sin()
    y[0] = 5.0
    z.sum().backward()


@program
def writing_through_data_is_not_noticed(T):
    x = T.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    x.data.add_(1)
    y.sum().backward()


@program
def detach_in_place_of_a_view(T):
    x = T.tensor([1.0, 2.0], requires_grad=True) * 1
    x[:1].detach_()


# -- shapes and dtypes -----------------------------------------------------------------------------------------------


def expression(text):
    code = compile(text, "<expression>", "eval")
    return lambda T: eval(code, {"T": T})


EXPRESSIONS = """
T.ones(2) + T.ones(3)
T.ones(2, 3) * T.ones(4, 3)
T.ones(2, 3) @ T.ones(2, 3)
T.ones(3) @ T.ones(4)
T.ones(2, 2, 3) @ T.ones(3, 3, 4)
T.tensor(1.0) @ T.ones(2)
T.mm(T.ones(2), T.ones(2, 2))
T.mm(T.ones(2, 3), T.ones(2, 3))
T.bmm(T.ones(2, 3), T.ones(2, 3))
T.bmm(T.ones(2, 3, 4), T.ones(2, 3, 4))
T.mv(T.ones(2, 3), T.ones(2))
T.dot(T.ones(2), T.ones(3))
T.dot(T.ones(2, 2), T.ones(2))
T.mm(T.ones(2, 2), T.ones(2, 2, dtype=T.float64))
T.ones(2, 2) @ T.ones(2, 2, dtype=T.int64)
T.dot(T.ones(2), T.ones(2, dtype=T.float64))
T.nn.functional.linear(T.ones(2, 3), T.ones(4, 2))
T.nn.functional.linear(T.ones(2, 3), T.ones(4, 3), T.ones(3))
T.ones(6).view(4, 2)
T.ones(6).view(-1, -1)
T.ones(6).view(-1, 4)
T.ones(6).view(-2, 3)
T.ones(6).reshape(4, 2)
T.ones(0).view(-1, 0)
T.ones(2, 3).t().view(6)
T.ones(2, 3, 4).t()
T.ones(2, 3).transpose(0, 2)
T.ones(2, 3).permute(0, 0)
T.ones(2, 3).permute(0)
T.ones(2, 3).expand(3, 3)
T.ones(2, 3).expand(3)
T.ones(2, 3).squeeze(2)
T.ones(2, 3).unsqueeze(4)
T.ones(2, 3).flatten(1, 0)
T.ones(2, 3).sum(2)
T.ones(2, 3).sum(dim=(0, 0))
T.ones(2, 3).sum(dim=(0, -2))
T.ones(2, 3).max(dim=2)
T.ones(0).max()
T.ones(0).argmax()
T.ones(2, 0).max(dim=1)
T.ones(0, 3).amax()
T.ones(2, 3).softmax(2)
T.cat([T.ones(2, 3), T.ones(3, 2)])
T.cat([T.ones(2), T.ones(2, 2)])
T.cat([])
T.cat([T.tensor(1.0)])
T.cat(T.ones(2))
T.stack([T.ones(2), T.ones(3)])
T.stack([])
T.ones(5).split(0)
T.ones(5).split([2, 2])
T.ones(5).chunk(0)
T.ones(3)[3]
T.ones(3)[-4]
T.ones(2, 3)[0, 1, 2]
T.ones(3)[1.0]
T.ones(3)[::-1]
T.ones(3)[T.tensor([0, 3])]
T.ones(3)[T.tensor([True, False])]
T.ones(3)[T.tensor([0.5])]
T.ones(3)[T.tensor([0, 1]), T.tensor([0, 1])]
T.ones(2, 3)[T.tensor([0, 1]), T.tensor([0, 1, 2])]
T.tensor(1.0)[0]
T.tensor(1.0)[T.tensor([0])]
len(T.tensor(1.0))
list(T.tensor(1.0))
bool(T.ones(2))
bool(T.ones(0))
float(T.ones(2))
int(T.ones(2))
T.ones(2).item()
T.ones(0).item()
range(T.tensor(1.5))
hash(T.Size([1])) and [1, 2, 3][T.tensor([1])] and [1, 2, 3][T.tensor([1, 2])]
T.ones(3).index_select(0, T.tensor([3]))
T.ones(3).index_select(1, T.tensor([0]))
T.ones(3).index_select(0, T.tensor([0.0]))
T.ones(2, 3).gather(1, T.tensor([[3]]))
T.ones(2, 3).gather(1, T.tensor([0]))
T.ones(2, 3).gather(1, T.tensor([[0.0]]))
T.ones(2, 3).gather(0, T.zeros(2, 4, dtype=T.int64))
T.ones(2, 3).scatter(1, T.tensor([[3]]), 1.0)
T.ones(2).index_add(0, T.tensor([0, 1, 1]), T.ones(2))
T.ones(2).masked_fill(T.tensor([0, 1]), 1.0)
T.ones(2).masked_fill(T.tensor([True, False, True]), 1.0)
T.ones(2).masked_select(T.tensor([1, 0]))
T.where(T.tensor([1.0]), 1.0, 2.0)
T.where(T.tensor([True]), T.ones(2), T.ones(3))
T.ones(3).topk(4)
T.ones(3).kthvalue(4)
T.ones(2, 3).sort(dim=2)
T.tensor([True]) - T.tensor([True])
-T.tensor([True])
1 - T.tensor([True])
~T.tensor([1.0])
T.tensor([1.0]) & T.tensor([1.0])
T.tensor([1]) / T.tensor([0])
T.tensor([1]) // T.tensor([0])
T.tensor([1]) % T.tensor([0])
T.tensor([2]) ** -1
T.tensor([2]) ** T.tensor([-1])
T.tensor([1.0]) + "a"
"a" + T.tensor([1.0])
T.tensor([1.0]) + None
T.tensor([1.0]) < "a"
T.sin("a")
T.sin(1.0)
T.sin()
T.add(T.ones(2))
T.tensor("a")
T.tensor([1, "a"])
T.tensor([[1, 2], [3]])
T.tensor([1, [2]])
T.tensor(None)
T.tensor([None])
T.tensor(1 << 70)
T.tensor(300, dtype=T.uint8)
T.zeros(-1)
T.zeros(2, -1)
T.zeros("a")
T.zeros(1.5)
T.arange(3, 0)
T.arange(0, 3, -1)
T.arange(0, 3, 0)
T.linspace(0, 1, -1)
T.eye(-1)
T.full((2,), "a")
T.ones(2).mean(dtype=T.int64)
T.ones(2, dtype=T.int64).mean()
T.ones(2, dtype=T.int64).softmax(0)
T.ones(2, dtype=T.int64).var()
T.ones(2, dtype=T.int64).norm()
T.ones(1).std()
T.ones(2).to("cuda")
T.ones(2, device="nowhere")
T.device("cuda:a")
T.ones(2).view(T.int64)
T.ones(3).view(T.float64)
T.ones(2).as_strided((3,), (1,))
T.ones(2).unfold(0, 3, 1)
T.ones(2, 3).diagonal(0, 0, 0)
T.ones(2).diagonal()
T.ones(2).tril()
T.ones(2, 3).flip(2)
T.ones(2, 3).flip(0, 0)
T.ones(2, 3).roll(1, 2)
T.ones(2, 3).roll((1, 2), 0)
T.ones(2, 3).repeat(2)
T.ones(2, 3).tile(2).view(5)
T.ones(2, 3).movedim(0, 2)
T.einsum("ij,jk->ik", T.ones(2, 3), T.ones(2, 3))
T.einsum("ij,jk->il", T.ones(2, 3), T.ones(3, 3))
T.einsum("ij->i->j", T.ones(2, 3))
T.einsum("ijk", T.ones(2, 3))
T.einsum("ij,jk", T.ones(2, 3))
T.clamp(T.ones(2))
T.ones(2).clamp(min=T.ones(3))
T.nn.functional.cross_entropy(T.ones(2, 3), T.tensor([0, 3]))
T.nn.functional.cross_entropy(T.ones(2, 3), T.tensor([0]))
T.nn.functional.cross_entropy(T.ones(2, 3), T.tensor([0.0, 1.0]))
T.nn.functional.nll_loss(T.ones(2, 3), T.tensor([0, -1]))
T.nn.functional.mse_loss(T.ones(2), T.ones(2, 1))
T.nn.functional.mse_loss(T.ones(2), T.ones(3))
T.nn.functional.l1_loss(T.ones(2), T.ones(2, 1))
T.nn.functional.binary_cross_entropy(T.ones(2), T.ones(2, 1))
T.nn.functional.binary_cross_entropy(T.full((2,), 1.5), T.ones(2))
T.nn.functional.binary_cross_entropy_with_logits(T.ones(2), T.ones(2, 1))
T.nn.functional.mse_loss(T.ones(2), T.ones(2), reduction="average")
T.nn.functional.mse_loss(T.ones(2), T.ones(2), size_average=False)
T.nn.functional.embedding(T.tensor([5]), T.ones(3, 2))
T.nn.functional.softmax(T.ones(2, 3))
T.nn.functional.log_softmax(T.ones(2, 3))
T.nn.functional.dropout(T.ones(2), p=1.5)
T.nn.functional.one_hot(T.tensor([3]), 2)
T.nn.functional.pad(T.ones(2), (1, 2, 3))
T.nn.functional.layer_norm(T.ones(2, 3), (2,))
T.nn.functional.conv2d(T.ones(1, 2, 4, 4), T.ones(3, 1, 2, 2))
T.nn.functional.conv2d(T.ones(4, 4), T.ones(3, 1, 2, 2))
T.nn.functional.conv2d(T.ones(1, 1, 2, 2), T.ones(3, 1, 3, 3))
T.nn.functional.max_pool2d(T.ones(1, 1, 2, 2), 3)
T.nn.functional.batch_norm(T.ones(1, 3), None, None, training=True)
T.nn.functional.batch_norm(T.ones(2, 3), None, None)
T.nn.Linear(3, 2)(T.ones(2, 4))
T.nn.Linear(3, 2)(T.ones(2, 3, dtype=T.float64))
T.nn.Linear(3, 2)(T.ones(2, 3, dtype=T.int64))
T.nn.Conv2d(3, 2, 3)(T.ones(1, 2, 5, 5))
T.nn.BatchNorm1d(3)(T.ones(3))
T.nn.BatchNorm2d(3)(T.ones(2, 3))
T.nn.Linear(3, 2).weights
T.nn.Sequential(3)
T.nn.Linear(3, 2).load_state_dict({})
T.nn.Linear(3, 2).load_state_dict({"weight": T.ones(2, 2), "bias": T.ones(2), "more": T.ones(1)})
T.nn.Module().register_parameter("a.b", None)
T.nn.Module().register_buffer("", T.ones(1))
T.nn.ModuleList([1])
T.nn.ModuleDict({"a": 3})
T.optim.SGD([], lr=0.1)
T.optim.SGD(T.ones(2), lr=0.1)
T.optim.SGD([T.ones(2, requires_grad=True)], lr=-1)
T.optim.SGD([T.ones(2, requires_grad=True)], lr=0.1, momentum=-1)
T.optim.SGD([T.ones(2, requires_grad=True)], lr=0.1, nesterov=True)
T.optim.SGD([T.ones(2, requires_grad=True) * 2], lr=0.1)
T.optim.SGD([1.0], lr=0.1)
T.optim.Adam([T.ones(2, requires_grad=True)], betas=(1.0, 0.9))
T.optim.Adam([T.ones(2, requires_grad=True)], eps=-1)
T.func.grad(lambda x: x * 2)(T.ones(2))
T.func.grad(lambda x: 2.0)(T.ones(2))
T.func.grad(lambda x: x.sum())(T.ones(2, dtype=T.int64))
T.func.vmap(lambda x: x, in_dims=2)(T.ones(2, 3))
T.func.vmap(lambda x, y: x)(T.ones(2), T.ones(3))
T.func.vmap(lambda x: x.item())(T.ones(2))
T.func.vmap(lambda x: x.sum() if x.sum() > 0 else x)(T.ones(2))
T.func.vmap(lambda x: T.rand(2))(T.ones(2))
T.func.vmap(lambda x: x)()
T.func.vmap(lambda x: 3.0)(T.ones(2))
T.func.jvp(lambda x: x, (T.ones(2),), (T.ones(3),))
T.func.jvp(lambda x: x, T.ones(2), T.ones(2))
T.func.vjp(lambda x: x * 2, T.ones(2))[1](T.ones(3))
T.func.jacrev(lambda x: 2.0)(T.ones(2))
T.autograd.functional.jacobian(lambda x: 2.0, T.ones(2))
T.autograd.functional.hessian(lambda x: x * 2, T.ones(2))
T.manual_seed("a")
T.rand(2, generator=3)
T.randint(3, 3, (2,))
T.randperm(-1)
T.multinomial(T.ones(3), 4)
T.multinomial(T.tensor([-1.0, 2.0]), 1)
T.bernoulli(T.tensor([2.0]))
T.normal(0.0, -1.0, (2,))
T.nonsense(2)
T.ones(2).nonsense()
""".strip().splitlines()

PROGRAMS.update({text: expression(text) for text in EXPRESSIONS})

# Where chainrule says something else, and why.
DIFFERENT: dict[str, str] = {
    "too_many_cotangents": "PyTorch drops the surplus without a word",
    "stale_through_a_view": "chainrule names the operation that wrote, PyTorch the node that it became",
}

# What PyTorch's argument parser says about C++ overloads and missing arguments is compared by type alone.
PARSER = re.compile(r"invalid combination of arguments|missing \d required positional")


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_words(name):
    want = run(PROGRAMS[name], torch)
    got = run(PROGRAMS[name], chainrule)
    if name in DIFFERENT:
        assert got != want, f"{name} is the same now: take it out of DIFFERENT"
    elif PARSER.search(want[1]):
        assert got[0] == want[0]
    else:
        assert got == want


def test_a_stale_value_names_the_line_that_overwrote_it():
    """Beyond PyTorch: the message says where."""
    x = chainrule.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y * y
    y.add_(1)
    line = sys._getframe().f_lineno - 1
    with pytest.raises(RuntimeError, match=rf"overwritten by add_ at .*test_errors_parity\.py:{line}"):
        z.sum().backward()
