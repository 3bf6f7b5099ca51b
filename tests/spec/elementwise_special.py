"""The error function and its family, gamma and its derivatives, Bessel functions, zeta."""

from __future__ import annotations

from typing import Any

from .row import Input, Row, array, positive, real

NAN, INF = float("nan"), float("inf")
POINTS = array([-INF, -3.0, -0.5, 0.0, 0.5, 3.0, 6.0, INF, NAN])
ARGUMENTS = real(3, 4, lo=-4, hi=4)
POSITIVE = positive(3, 4, lo=0.2, hi=15.0)


def row(name: str, given: Input, points: Input = POINTS, place: str = "", **kw: Any) -> Row:
    op = f"special_{name}" if place == "special" else name
    return Row(op, lambda T, x: getattr(getattr(T, place) if place else T, name)(x), (given,), special=((points,), (array(0.3),)), **kw)


ROWS = [
    row("erf", ARGUMENTS),
    row("erfc", ARGUMENTS),
    Row("erfc tail", lambda T, x: T.erfc(x), (real(5, lo=4, hi=8),), op="erfc", atol=1e-30),
    row("erfinv", real(3, 4, lo=-0.99, hi=0.99), array([-2.0, -1.0, 0.0, 0.999, 1.0, NAN])),
    row("lgamma", POSITIVE, array([INF, 0.5, 1.0, 2.0, 1e-3, 100.0, NAN])),
    Row("lgamma negative", lambda T, x: T.lgamma(x), (real(6, lo=-4, hi=0),), op="lgamma", rtol=1e-5, second=False),
    row("digamma", POSITIVE, array([INF, 0.5, 1.0, 2.0, 100.0])),
    Row("digamma poles", lambda T, x: T.digamma(x), (array([0.0, -0.0, -1.0, -2.5]),), op="digamma", differentiable=False),
    Row("polygamma", lambda T, x: (T.polygamma(1, x), T.polygamma(2, x), x.polygamma(3)), (POSITIVE,),
        special=((array([0.5, 1.0, 50.0]),),), rtol=1e-8),
    Row("polygamma zero", lambda T, x: T.polygamma(0, x), (POSITIVE,), op="digamma"),
    Row("polygamma negative", lambda T, x: T.polygamma(2, x), (real(5, lo=-3, hi=0),), op="polygamma", rtol=1e-4, second=False),
    Row("mvlgamma", lambda T, x: T.mvlgamma(x, 3), (positive(2, 3, lo=1.5, hi=6.0),)),
    Row("special_multigammaln", lambda T, x: T.special.multigammaln(x, 1), (POSITIVE,), op="mvlgamma"),
    row("i0", ARGUMENTS, array([-12.0, 0.0, 8.0, 9.0, 30.0, NAN])),
    row("i0e", ARGUMENTS, array([-12.0, 0.0, 8.0, 9.0, 30.0, INF]), "special"),
    row("i1", ARGUMENTS, array([-12.0, 0.0, 8.0, 9.0, 30.0]), "special", second=False),
    row("i1e", ARGUMENTS, array([-12.0, 0.0, 8.0, 9.0, 30.0]), "special", second=False),
    row("erfcx", ARGUMENTS, array([-3.0, 0.0, 3.0, 30.0, 1e4, INF, NAN]), "special"),
    row("ndtr", ARGUMENTS, place="special"),
    row("ndtri", positive(3, 4, lo=0.01, hi=0.99), array([0.0, 1e-6, 0.5, 0.999, 1.0, -1.0, 2.0]), "special"),
    row("log_ndtr", ARGUMENTS, array([-30.0, -6.0, -1.0, 0.0, 6.0]), "special"),
    row("entr", positive(3, 4), array([-1.0, 0.0, 1.0, INF, NAN]), "special"),
    Row("special_zeta", lambda T, s, q: T.special.zeta(s, q), (positive(4, lo=1.5, hi=6.0, grad=False), positive(4, lo=0.5, hi=5.0))),
    Row("special_zeta_from_number", lambda T, q: T.special.zeta(2, q), (positive(4, lo=0.5, hi=5.0),)),
    Row("special_zeta_number", lambda T, s: T.special.zeta(s, 1.5), (positive(4, lo=1.5, hi=6.0, grad=False),)),
]  # fmt: skip
