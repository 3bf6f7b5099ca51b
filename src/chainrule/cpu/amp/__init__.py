"""``torch.cpu.amp``: the old names of ``torch.amp`` for the CPU."""

from chainrule.cpu.amp.autocast_mode import autocast
from chainrule.cpu.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast"]
