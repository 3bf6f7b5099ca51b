"""Special functions (``torch.special``)."""

from __future__ import annotations

from typing import Any

from ..ops.exponential import exp2, expm1, log1p, logit, xlog1py, xlogy
from ..ops.exponential import sigmoid as expit
from ..ops.rounding import round
from ..ops.softmax import log_softmax, logsumexp, softmax
from ..ops.special_functions import (
    digamma,
    entr,
    erf,
    erfc,
    erfcx,
    erfinv,
    i0,
    i0e,
    i1,
    i1e,
    log_ndtr,
    ndtr,
    ndtri,
    polygamma,
    zeta,
)
from ..ops.special_functions import (
    lgamma as gammaln,
)
from ..ops.special_functions import (
    mvlgamma as multigammaln,
)
from ..ops.trig import sinc

psi = digamma

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
    "zeta",
]


def __getattr__(name: str) -> Any:
    from ..alias import missing_name

    raise missing_name(__name__, name)
