"""Functions of matrices where PyTorch's answer is not to be had, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as torch

SINGULAR = torch.tensor([[1.0, 2.0], [2.0, 4.0]])


def test_gradient_of_the_determinant_of_a_singular_matrix_is_its_cofactors() -> None:
    """PyTorch gives 0 here: it multiplies the inverse with the determinant."""
    x = SINGULAR.clone().requires_grad_()
    torch.linalg.det(x).backward()
    assert torch.allclose(x.grad, torch.tensor([[4.0, -2.0], [-2.0, 1.0]]), atol=1e-6)
    y = torch.zeros(3, 3, requires_grad=True)
    torch.det(y).backward()
    assert torch.equal(y.grad, torch.zeros(3, 3))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: torch.linalg.inv(SINGULAR), torch.linalg.LinAlgError, "linalg.inv: The diagonal element 2 is zero, the inversion"),
        (
            lambda: torch.linalg.inv(torch.stack([torch.eye(2), SINGULAR])), torch.linalg.LinAlgError,
            "linalg.inv: (Batch element 1): The diagonal element 2 is zero",
        ),
        (lambda: torch.linalg.solve(SINGULAR, SINGULAR), RuntimeError, "torch.linalg.solve: The solver failed because the input matrix is"),
        (lambda: torch.linalg.inv(torch.zeros(2, 3)), RuntimeError, "A must be batches of square matrices, but they are 2 by 3 matrices"),
        (lambda: torch.linalg.det(torch.zeros(3)), RuntimeError, "The input tensor A must have at least 2 dimensions."),
        (lambda: torch.linalg.inv(torch.eye(2).long()), RuntimeError, "Expected a floating point or complex tensor as input. Got Long"),
        (
            lambda: torch.linalg.cholesky(torch.tensor([[1.0, 2.0], [2.0, 1.0]])), torch.linalg.LinAlgError,
            "the input is not positive-definite (the leading minor of order 2 is not positive-definite)",
        ),
        (lambda: torch.linalg.qr(torch.eye(2), "all"), RuntimeError, "qr received unrecognized mode 'all'"),
    ],
)  # fmt: skip
def test_refused(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert message in str(caught.value)


def test_with_info_nothing_is_raised() -> None:
    assert torch.linalg.inv_ex(SINGULAR).info.item() == 2
    assert torch.linalg.cholesky_ex(torch.tensor([[1.0, 2.0], [2.0, 1.0]])).info.item() == 2
    assert torch.linalg.lu_factor_ex(SINGULAR).info.item() == 2
    assert torch.linalg.solve_ex(torch.eye(2), SINGULAR).info.item() == 0


def test_least_squares_of_all_drivers() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    for driver in ("gels", "gelsy", "gelsd", "gelss"):
        x, residuals, rank, values = torch.linalg.lstsq(a, b, driver=driver)
        assert torch.allclose(a.T @ (a @ x - b), torch.zeros(3, 2, dtype=torch.float64), atol=1e-12)
        assert residuals.numel() == 0 if driver == "gelsy" else torch.allclose(residuals, (a @ x - b).square().sum(0))
        assert rank.numel() == (driver != "gels") and values.numel() == 3 * (driver in ("gelsd", "gelss"))
    assert torch.linalg.matrix_rank(SINGULAR).item() == 1


def test_old_names() -> None:
    x = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
    u, s, v = x.svd()
    assert torch.allclose(u @ s.diag() @ v.T, x, atol=1e-6)
    assert torch.allclose(x.inverse() @ x, torch.eye(2), atol=1e-6)
    assert torch.allclose(x.logdet(), torch.tensor(11.0).log())
    assert x.slogdet().sign == 1 and torch.logdet(-torch.eye(1)).isnan()
    p, lower, upper = torch.lu_unpack(*torch.linalg.lu_factor(x))
    assert torch.allclose(p @ lower @ upper, x)
    assert torch.allclose(torch.triangular_solve(x, x.triu())[0], x.triu().inverse() @ x, atol=1e-6)


def test_the_vandermonde_matrix_of_a_number() -> None:
    assert torch.linalg.vander(torch.tensor(3.0), N=3).tolist() == [[1, 3, 9]]


def test_residuals_are_real() -> None:
    a, b = torch.ones(2, 3, dtype=torch.complex64), torch.ones(2, 3, dtype=torch.complex64)
    assert torch.linalg.lstsq(a, b, driver="gelsd").residuals.dtype is torch.float32


def test_pinv_of_hermitian_matrices_is_differentiated_as_if_both_triangles_were_given():
    torch.manual_seed(0)
    half = torch.randn(4, 2, dtype=torch.float64)
    full = half @ half.T
    given = torch.randn(4, 4, dtype=torch.float64)
    whole, lower = full.clone().requires_grad_(), full.tril().requires_grad_()
    options = {"rtol": 1e-10}
    (want,) = torch.autograd.grad(torch.linalg.pinv(whole, **options), whole, given)
    for x in (whole, lower):
        got = torch.linalg.pinv(x, hermitian=True, **options)
        assert torch.allclose(got, torch.linalg.pinv(full, **options))
        assert torch.allclose(torch.autograd.grad(got, x, given)[0], want)


def test_least_squares_says_which_argument_lacks_dimensions():
    with pytest.raises(RuntimeError, match=r"^torch.linalg.lstsq: input must have at least 2 dimensions\.$"):
        torch.linalg.lstsq(torch.ones(3), torch.ones(3, 2))
    with pytest.raises(RuntimeError, match=r"^torch.linalg.lstsq: other must have at least 1 dimension\.$"):
        torch.linalg.lstsq(torch.ones(3, 3), torch.tensor(1.0))
