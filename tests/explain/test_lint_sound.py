"""Correct training steps of many kinds, of which ``lint`` must say nothing; and models of which ``why`` must find nothing."""

import pytest

import chainrule as torch
from chainrule.utils.data import DataLoader, TensorDataset

nn, F = torch.nn, torch.nn.functional


def data():
    torch.manual_seed(0)
    return torch.randn(8, 3), torch.randn(8, 1)


def lbfgs():
    (x, y), model = data(), nn.Linear(3, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        return loss

    return lambda: optimizer.step(closure)


def truncated_recurrence():
    data()
    model, state = nn.RNN(3, 4, batch_first=True), [torch.zeros(1, 2, 4)]
    adam = torch.optim.Adam(model.parameters())

    def step():
        adam.zero_grad()
        out, h = model(torch.randn(2, 5, 3), state[0])
        state[0] = h.detach()
        out.square().mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()

    return step


def cleared_after_the_step():
    (x, y), model = data(), nn.Linear(3, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.01)

    def step():
        F.mse_loss(model(x), y).backward()
        sgd.step()
        sgd.zero_grad(set_to_none=False)

    return step


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.out = nn.Linear(4, 7, bias=False)
        self.out.weight = self.embedding.weight
        self.sizes = [7, 4]
        self.parts = nn.ModuleList([self.embedding, self.out])
        self.again = [self.out]

    def forward(self, x):
        return self.out(self.embedding(x))


def tied_weights():
    data()
    model, ids = Tied(), torch.randint(0, 7, (6,))
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)

    def step():
        sgd.zero_grad()
        F.cross_entropy(model(ids), ids).backward()
        sgd.step()

    return step


def by_autograd_grad():
    data()
    w = torch.randn(3, requires_grad=True)

    def step():
        (g,) = torch.autograd.grad((w * w).sum(), w)
        with torch.no_grad():
            w.sub_(0.1 * g)

    return step


def gradient_penalty():
    (x, _), model = data(), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    sgd = torch.optim.SGD(model.parameters(), lr=0.01)

    def step():
        sgd.zero_grad()
        inputs = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(model(inputs).sum(), inputs, create_graph=True)
        ((g.norm(dim=1) - 1) ** 2).mean().backward()
        sgd.step()

    return step


def target_network():
    (x, _), model, target = data(), nn.Linear(3, 2), nn.Linear(3, 2)
    adam = torch.optim.Adam(model.parameters())

    def step():
        with torch.no_grad():
            wanted = target(x).max(1).values
        adam.zero_grad()
        F.smooth_l1_loss(model(x)[:, 0], wanted).backward()
        adam.step()

    return step


def distillation():
    (x, _), student, teacher = data(), nn.Linear(3, 4), nn.Sequential(nn.Linear(3, 4), nn.Dropout()).eval()
    adam = torch.optim.Adam(student.parameters())

    def step():
        with torch.no_grad():
            wanted = F.softmax(teacher(x), 1)
        adam.zero_grad()
        F.kl_div(F.log_softmax(student(x), 1), wanted, reduction="batchmean").backward()
        adam.step()

    return step


def autoencoder():
    (x, _), encoder, decoder = data(), nn.Linear(3, 4), nn.Linear(2, 3)
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])

    def step():
        adam.zero_grad()
        mean, spread = encoder(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (0.5 * spread).exp()
        (F.mse_loss(decoder(z), x) - 0.5 * (1 + spread - mean**2 - spread.exp()).mean()).backward()
        adam.step()

    return step


def two_optimizers():
    (x, y), a, b = data(), nn.Linear(3, 1), nn.Linear(3, 1)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.01) for m in (a, b)]

    def step():
        for o in optimizers:
            o.zero_grad()
        F.mse_loss(a(x) + b(x), y).backward()
        for o in optimizers:
            o.step()

    return step


def an_epoch_of_batches():
    (x, y), model = data(), nn.Linear(3, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.01)
    loader = DataLoader(TensorDataset(x, y), batch_size=3, shuffle=True)

    def step():
        for rows, targets in loader:
            sgd.zero_grad()
            F.mse_loss(model(rows), targets).backward()
            sgd.step()

    return step


def inference():
    (x, _), model = data(), nn.Sequential(nn.Linear(3, 4), nn.Dropout()).eval()

    def step():
        with torch.inference_mode():
            return model(x)

    return step


STEPS = [
    lbfgs, truncated_recurrence, cleared_after_the_step, tied_weights, by_autograd_grad, gradient_penalty, target_network, distillation,
    autoencoder, two_optimizers, an_epoch_of_batches, inference,
]  # fmt: skip


@pytest.mark.parametrize("make", STEPS, ids=lambda f: f.__name__)
def test_nothing_is_said(make):
    found = torch.lint(make())
    assert not found, found


def convolutional():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3))
    return model, lambda: F.cross_entropy(model(torch.randn(4, 1, 8, 8)), torch.tensor([0, 1, 2, 0]))


def recurrent():
    model = nn.LSTM(3, 4)
    return model, lambda: model(torch.randn(5, 2, 3))[0].sum()


def normalised():
    model = nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 1))
    return model, lambda: model(torch.randn(5, 3)).square().mean()


def embedded():
    model = nn.Embedding(5, 3)
    return model, lambda: model(torch.tensor([1, 2])).sum()


@pytest.mark.parametrize("make", [convolutional, recurrent, normalised, embedded], ids=lambda f: f.__name__)
def test_a_sound_gradient_is_left_alone(make):
    torch.manual_seed(0)
    model, loss_of = make()
    with torch.why.watch():
        loss_of().backward()
    watched = torch.why(model)
    model.zero_grad()
    loss = loss_of()
    loss.backward(retain_graph=True)
    for said in (watched, torch.why(model, loss)):
        assert not said, said
        assert all(name in said.title for name, _ in model.named_parameters())


def test_a_function_of_the_user():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    w = torch.tensor([0.0, 0.0], requires_grad=True)
    with torch.why.watch():
        Square.apply(w).sum().backward()
    assert "The derivative of Square is zero at its argument, [0., 0.]." in str(torch.why(w))
