"""Small training programs whose loss curves are compared with PyTorch's; each takes the module that ``torch`` means."""

from __future__ import annotations

from typing import Any

STEPS = 30


def mlp_adam(torch: Any) -> list[float]:
    """Dropout, GELU, cross entropy, Adam with a cosine schedule and clipped gradients."""
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Dropout(0.3), nn.Linear(32, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 3))
    x, y = torch.randn(40, 8), torch.randint(0, 3, (40,))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    curve = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        schedule.step()
        curve.append(loss.item())
    return curve


def cnn_sgd(torch: Any) -> list[float]:
    """Convolutions, batch norm, max pooling, SGD with Nesterov's momentum; the last value is in evaluation mode."""
    torch.manual_seed(1)
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(24, 4),
    )  # fmt: skip
    x, y = torch.randn(16, 1, 8, 8), torch.randint(4, (16,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    curve = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    model.eval()
    with torch.no_grad():
        curve.append(criterion(model(x), y).item())
    return curve


def embedding_adamw(torch: Any) -> list[float]:
    """Embedding, layer norm, residual connection, AdamW with AMSGrad, two parameter groups."""
    torch.manual_seed(2)
    nn = torch.nn

    class Words(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(20, 8, padding_idx=0)
            self.norm = nn.LayerNorm(8)
            self.mix = nn.Linear(8, 8)
            self.head = nn.Linear(8, 1)

        def forward(self, words: Any) -> Any:
            x = self.embedding(words)
            x = x + torch.sigmoid(self.mix(self.norm(x)))
            return self.head(x.mean(dim=1)).squeeze(-1)

    model = Words()
    words, y = torch.randint(0, 20, (24, 5)), torch.randint(0, 2, (24,)).float()
    groups = [{"params": model.embedding.parameters(), "lr": 0.05}, {"params": [*model.mix.parameters(), *model.head.parameters()]}]
    optimizer = torch.optim.AdamW(groups, lr=0.01, amsgrad=True)
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(1.5))
    curve = []
    for _ in range(STEPS):
        loss = criterion(model(words), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve


def loader_rmsprop(torch: Any) -> list[float]:
    """A shuffling loader, PReLU, smooth L1 loss, RMSprop and a one-cycle schedule."""
    torch.manual_seed(3)
    nn, data = torch.nn, torch.utils.data
    x = torch.rand(50, 4)
    train, _held_out = data.random_split(data.TensorDataset(x, x.sin().sum(1, keepdim=True)), [40, 10])
    loader = data.DataLoader(train, batch_size=8, shuffle=True)
    model = nn.Sequential(nn.Linear(4, 12), nn.PReLU(), nn.Linear(12, 1))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01, momentum=0.5, centered=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.003, epochs=STEPS // len(loader), steps_per_epoch=len(loader))
    curve = []
    for _epoch in range(STEPS // len(loader)):
        for inputs, targets in loader:
            optimizer.zero_grad(set_to_none=False)
            loss = nn.SmoothL1Loss(beta=0.5)(model(inputs), targets)
            loss.backward()
            optimizer.step()
            schedule.step()
            curve.append(loss.item())
    return curve


PROGRAMS = [mlp_adam, cnn_sgd, embedding_adamw, loader_rmsprop]
