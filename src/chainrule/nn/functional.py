"""The functional forms of ``torch.nn``: activations, losses, convolutions, normalisations.

Everything here is declared in ``ops``; this page gives the names.
"""

from __future__ import annotations

from ..ops.activation import relu
from ..ops.bce import binary_cross_entropy, binary_cross_entropy_with_logits
from ..ops.class_losses import cross_entropy, nll_loss
from ..ops.convolution import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from ..ops.losses import (
    gaussian_nll_loss, huber_loss, kl_div, l1_loss, mse_loss, poisson_nll_loss, smooth_l1_loss, soft_margin_loss,
)  # fmt: skip
from ..ops.matmul import linear

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "cross_entropy", "gaussian_nll_loss", "huber_loss", "kl_div", "l1_loss", "linear", "mse_loss", "nll_loss",
    "poisson_nll_loss", "relu", "smooth_l1_loss", "soft_margin_loss",
]  # fmt: skip
