"""Programs over every optimizer and schedule; each takes the module that ``torch`` means."""

from __future__ import annotations

from typing import Any

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    f"{name} {kwargs}": (name, kwargs)
    for name, options in {
        "SGD": [
            {"lr": 0.05}, {"lr": 0.02, "momentum": 0.9}, {"lr": 0.02, "momentum": 0.9, "dampening": 0.3},
            {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {"lr": 1e-3, "maximize": True},
        ],
        "Adam": [{"lr": 0.05}, {"lr": 0.05, "betas": (0.5, 0.9), "eps": 0.1}, {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1}],
        "AdamW": [{"lr": 0.05}, {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}],
        "RMSprop": [{"lr": 0.02}, {"lr": 0.02, "centered": True, "momentum": 0.5, "weight_decay": 0.1}],
        "Adagrad": [{"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.2}],
        "Adadelta": [{"lr": 0.5, "rho": 0.8}], "Adamax": [{"lr": 0.05, "weight_decay": 0.1}],
        "NAdam": [{"lr": 0.05}, {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}], "RAdam": [{"lr": 0.05}],
        "ASGD": [{"lr": 0.05, "t0": 10, "lambd": 0.01}], "Rprop": [{"lr": 0.05}],
        "LBFGS": [{"lr": 0.5, "max_iter": 3}, {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 3}],
    }.items()
    for kwargs in options
}  # fmt: skip

SCHEDULES: dict[str, Any] = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (e + 1)]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.95),
    "StepLR": lambda s, o: s.StepLR(o, 5, 0.3),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 9, 9, 12], 0.2),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.2, 8),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.1, 0.8, 7),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 7, 0.01),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 12, 2.0),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 4, mode="triangular2"),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.3, 30, three_phase=True),
    "SequentialLR": lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1.0, 5), s.CosineAnnealingLR(o, 10)], [5]),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.StepLR(o, 3), s.CosineAnnealingLR(o, 9)]),
}


def steps(t: Any, name: str, kwargs: dict[str, Any], times: int = 20) -> list[float]:
    """The loss at every step, then the parameters."""
    p = t.nn.Parameter(t.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=t.float64))
    q = t.nn.Parameter(t.tensor(-0.7, dtype=t.float64))
    optimizer = getattr(t.optim, name)([p, q], **kwargs)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = ((p - 1) ** 2).sum() * 0.5 + (q.exp() * p.sum() - 2) ** 2 * 0.1
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(times)]
    return [*losses, *p.detach().flatten().tolist(), q.item()]


def rates(t: Any, make: Any) -> list[Any]:
    """The rates of both groups and the momentum over 24 epochs."""
    ps = [t.nn.Parameter(t.ones(2)) for _ in range(2)]
    optimizer = t.optim.SGD([{"params": ps[:1], "lr": 0.5}, {"params": ps[1:]}], lr=0.1, momentum=0.9)
    schedule = make(t.optim.lr_scheduler, optimizer)
    found = [[*schedule.get_last_lr(), optimizer.param_groups[0]["momentum"]]]
    for _ in range(24):
        optimizer.step()
        schedule.step()
        found.append([*schedule.get_last_lr(), optimizer.param_groups[0]["momentum"]])
    return found
