"""Parts, conjugates, sizes and angles of complex numbers."""

from __future__ import annotations

from .row import Row, array, cplx, positive, real

NAN, INF = float("nan"), float("inf")
ZERO = array([0j, 1 + 0j, -2j])
POINTS = array([-INF, -1.0, -0.0, 0.0, 2.0, INF, NAN])

ROWS = [
    Row("abs_complex", lambda T, z: T.abs(z), (cplx(2, 3),), special=((ZERO,), (array(3 - 4j),))),
    Row("sgn_complex", lambda T, z: T.sgn(z), (cplx(2, 3),), special=((ZERO,),)),
    Row("angle", lambda T, x: T.angle(x), (real(2, 3),), special=((POINTS,),)),
    Row("angle_complex", lambda T, z: T.angle(z), (cplx(2, 3),), special=((ZERO,),)),
    Row("real", lambda T, z: (T.real(z), z.imag), (cplx(2, 3),), op=("view_as_real", "select")),
    Row("conj", lambda T, z: z.conj() * z, (cplx(2, 3),)),
    Row("conj_physical", lambda T, z: T.conj_physical(z) * z, (cplx(2, 3),)),
    Row("resolve_conj", lambda T, z: (z.conj().resolve_conj(), z.resolve_neg()), (cplx(2),), op="resolve_conj"),
    Row("view_as_real", lambda T, z: T.view_as_real(z), (cplx(2, 3),), special=((array(1 + 2j),),)),
    Row("view_as_real strided", lambda T, z: T.view_as_real(z.T[1:]), (cplx(2, 3),), op="view_as_real"),
    Row("view_as_complex", lambda T, x: T.view_as_complex(x), (real(3, 2),)),
    Row("complex", lambda T, x, y: T.complex(x, y), (real(3, 1), real(4)), special=((array(1.5), array(2.0)),)),
    Row("polar", lambda T, x, y: T.polar(x, y), (positive(3, 1), real(4)), special=((array(1.5), array(0.0)),)),
    Row("real power", lambda T, z: (z * z.conj()).real.sqrt(), (cplx(4),), op="conj"),
]  # fmt: skip
