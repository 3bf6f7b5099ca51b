"""``torch.cuda.amp``: the old names of ``torch.amp`` for CUDA."""

from chainrule.cuda.amp.autocast_mode import autocast, custom_bwd, custom_fwd
from chainrule.cuda.amp.common import amp_definitely_not_available
from chainrule.cuda.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "amp_definitely_not_available", "autocast", "custom_bwd", "custom_fwd"]
