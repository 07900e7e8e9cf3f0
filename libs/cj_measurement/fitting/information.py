"""The information matrix of a Bradley–Terry posterior, as an operator: products, solutions, log-determinant.

H = [[M, G], [Gᵀ, K]]: M (n, n) belongs to the abilities and is a weighted graph Laplacian plus the prior's
precision, K (k, k) to the judges' parameters (position effects, discriminations), G (n, k) to both. Up to
``DENSE_LIMIT`` items it is factorised (Cholesky). Beyond, systems are solved by conjugate gradients with Jacobi's
preconditioner, and the log-determinant is estimated by stochastic Lanczos quadrature.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh_tridiagonal, lapack, solve_triangular
from scipy.sparse import csr_array

from cj_measurement.comparisons import TINY, BoolArray, FloatArray
from cj_measurement.errors import NotConverged, Singular

DENSE_LIMIT = 1_000
"""Up to this many items the matrix is factorised."""
DENSE_SOLVE_LIMIT = 150
"""Up to this many parameters a factorisation is quicker than conjugate gradients."""
CG_ITERATIONS = 20_000
MAX_SINGLE_THREAD_LENGTH = 10_000
"""Length of vectors up to which OpenBLAS multiplies them on one thread."""
PROBE_NUMBERS = 20_000
"""Random numbers in all probes together: their error falls with the root of it, whatever n is."""
LANCZOS_STEPS = 16
PROBE_SEED = 20_031


class Indefinite(NotConverged):
    """The matrix is not an information matrix: there is no maximum here."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Information:
    """H at one point.

    ``links`` (n, n) holds the weights of the comparisons off the diagonal of −M, ``degree`` (n,) their sums;
    ``precision`` is 1/τ². ``free`` (n,) marks the abilities that are estimated; the rows and columns of the
    others are those of the identity. With ``prior_mean_free`` the prior has a mean of its own, with a flat prior.
    """

    links: "csr_array[np.float64, tuple[int, int]]"
    degree: FloatArray
    precision: float
    border: FloatArray
    corner: FloatArray
    free: BoolArray | None = None
    prior_mean_free: bool = False

    @property
    def n(self) -> int:
        """Number of items."""
        return len(self.degree)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.n + len(self.corner)

    @cached_property
    def diagonal(self) -> FloatArray:
        """Diagonal of H, but for what a free prior mean takes away, shape (size,)."""
        prior = self.precision if self.free is None else self.precision * self.free
        return np.concatenate([self.degree + prior, np.diag(self.corner)])

    @property
    def own_precision(self) -> FloatArray:
        """Diagonal of H: each parameter's precision given all the others, shape (size,)."""
        own = self.diagonal.copy()
        if self.prior_mean_free:
            free = np.ones(self.n) if self.free is None else self.free
            own[: self.n] -= self.precision * free / free.sum()
        return own

    def times(self, x: FloatArray) -> FloatArray:
        """H x, for x of shape (size,) or (size, r)."""
        n, k = self.n, len(self.corner)
        if not (k or self.prior_mean_free):
            return np.asarray(_rows(self.diagonal, x) * x - self.links @ x, dtype=np.float64)
        theta, rest = x[:n], x[n:]
        product = np.empty_like(x)
        product[:n] = _rows(self.diagonal[:n], theta) * theta - self.links @ theta
        if self.prior_mean_free:
            product[:n] -= self._shared(theta)
        if k:
            product[:n] += _combine(self.border, rest)
            product[n:] = np.einsum("ik,i...->k...", self.border, theta) + self.corner @ rest
        return product

    def _shared(self, theta: FloatArray) -> FloatArray:
        free = np.ones(self.n) if self.free is None else self.free.astype(np.float64)
        share = self.precision * np.einsum("i,i...->...", free, theta) / free.sum()
        return np.asarray(np.multiply.outer(free, share), dtype=np.float64)

    def dense(self) -> FloatArray:
        """H as an array (size, size)."""
        n, links = self.n, self.links
        # In one array from the start: further arrays would cost more than the computation.
        rows = np.append(links.indptr, np.full(self.size - n, links.indptr[-1]))
        matrix = csr_array((links.data, links.indices, rows), shape=(self.size, self.size)).toarray()
        np.negative(matrix, out=matrix)
        matrix[:n, n:], matrix[n:, :n], matrix[n:, n:] = self.border, self.border.T, self.corner
        matrix[np.arange(n), np.arange(n)] += self.diagonal[:n]
        if self.prior_mean_free:
            matrix[:n, :n] -= self._shared(np.eye(n))
        return matrix

    @cached_property
    def factor(self) -> tuple[FloatArray, bool]:
        """Cholesky factor of H; raises ``Indefinite``."""
        try:
            # Transposed it is the same, in the order of LAPACK: no copy is made.
            return cho_factor(self.dense().T, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError as error:
            raise Indefinite("the information matrix is not positive definite") from error

    def draws(self, normal: FloatArray) -> FloatArray:
        """L⁻ᵀ z: from standard normal numbers (size, r), draws with covariance H⁻¹."""
        return np.asarray(
            solve_triangular(self.factor[0], normal, lower=True, trans="T", check_finite=False), np.float64
        )

    def roots(self) -> FloatArray:
        """L⁻ᵀ (size, size), whose rows multiplied with each other are H⁻¹; takes no more than one thread."""
        inverse, failed = lapack.dtrtri(self.factor[0], lower=1)
        if failed:
            raise Singular("the information matrix is singular")
        return np.ascontiguousarray(np.tril(inverse).T, dtype=np.float64)

    def inverse(self) -> FloatArray:
        """H⁻¹ in full, shape (size, size), from the factor."""
        lower, _ = self.factor
        inverse, failed = lapack.dpotri(lower, lower=1)
        if failed:
            raise Singular("the information matrix is singular")
        below = np.tril(inverse)
        return np.asarray(below + np.tril(below, -1).T, dtype=np.float64)

    def solve(self, right: FloatArray, *, tolerance: float = 1e-10) -> FloatArray:
        """H⁻¹ b for b of shape (size,) or (size, r), each column to a relative residual of ``tolerance``.

        Raises ``Indefinite`` where that shows, and ``NotConverged``.
        """
        if self.size <= DENSE_SOLVE_LIMIT:
            return np.asarray(cho_solve(self.factor, right, check_finite=False), dtype=np.float64)
        return conjugate_gradients(self.times, right, self.diagonal, tolerance)

    def log_determinant(self) -> float:
        """log det H; beyond ``DENSE_LIMIT`` items an estimate, always the same for the same matrix."""
        if self.n <= DENSE_LIMIT:
            return float(2 * np.log(np.diag(self.factor[0])).sum())
        return self._log_determinant_of_abilities() - float(np.linalg.slogdet(self.border_covariance())[1])

    def border_covariance(self) -> FloatArray:
        """The block of H⁻¹ that belongs to the judges' parameters, shape (k, k)."""
        n, k = self.n, len(self.corner)
        units = np.zeros((self.size, k))
        units[n:] = np.eye(k)
        return self.solve(units)[n:] if k else np.empty((0, 0))

    def _log_determinant_of_abilities(self) -> float:
        """log det M, in which a free prior mean is an update of rank one."""
        plain = replace(self, border=np.empty((self.n, 0)), corner=np.empty((0, 0)), prior_mean_free=False)
        if not self.prior_mean_free:
            return plain._log_determinant_by_quadrature()
        free = np.ones(self.n) if self.free is None else self.free.astype(np.float64)
        share = self.precision / free.sum() * _dot(free, plain.solve(free))
        return plain._log_determinant_by_quadrature() + float(np.log1p(-share))

    def _log_determinant_by_quadrature(self) -> float:
        """Σ log d + tr log N, N = D^(−½) M D^(−½) = I − A.

        tr log N is estimated by Gauss quadrature on Lanczos' matrices of random probes (Ubaru, Chen & Saad 2017).
        A has no diagonal, and tr A² is known: what the probes say about these two corrects what they say about
        the logarithm, whose series begins with them. That takes nine tenths of the error away.
        """
        generator = np.random.default_rng(PROBE_SEED)
        probes = generator.choice(np.array([-1.0, 1.0]), size=(self.n, max(4, PROBE_NUMBERS // self.n)))
        diagonal, off = _lanczos(self._scaled, probes, min(LANCZOS_STEPS, self.n))
        logarithm = np.array([_quadrature(diagonal[:, r], off[:-1, r]) for r in range(probes.shape[1])])
        first = 1 - diagonal[0]
        second = 1 - 2 * diagonal[0] + diagonal[0] ** 2 + off[0] ** 2
        corrected = logarithm + first + (second - self._trace_of_square() / self.n) / 2
        return float(np.log(self.diagonal).sum() + self.n * corrected.mean())

    def _scaled(self, x: FloatArray) -> FloatArray:
        scale = _rows(1 / np.sqrt(self.diagonal), x)
        return x - scale * (self.links @ (scale * x))

    def _trace_of_square(self) -> float:
        merged = self.links.copy()
        merged.sum_duplicates()
        inverse = 1 / self.diagonal
        merged.data **= 2
        return float((inverse * (merged @ inverse)).sum())


def _rows(values: FloatArray, like: FloatArray) -> FloatArray:
    return values if like.ndim == 1 else values[:, None]


def _combine(border: FloatArray, rest: FloatArray) -> FloatArray:
    if border.shape[1] == 1:
        return np.asarray(np.multiply.outer(border[:, 0], rest[0]), dtype=np.float64)
    return np.asarray(border @ rest, dtype=np.float64)


def _dot(x: FloatArray, y: FloatArray) -> FloatArray:
    """Column by column. The threads that a BLAS starts above this length cost more than they save here."""
    if x.ndim == 1 and len(x) <= MAX_SINGLE_THREAD_LENGTH:
        return np.asarray(np.dot(x, y), dtype=np.float64)[()]
    product: FloatArray = np.einsum("i...,i...->...", x, y)
    return product


def conjugate_gradients(
    times: Callable[[FloatArray], FloatArray], right: FloatArray, diagonal: FloatArray, tolerance: float
) -> FloatArray:
    """Solve for all columns of ``right`` together; the residual is measured in the norm of the preconditioner."""
    every, some = (bool, bool) if right.ndim == 1 else (np.all, np.any)
    inverse = _rows(1 / diagonal, right)
    x, residual = np.zeros_like(right), right.copy()
    direction = inverse * residual
    size = _dot(residual, direction)
    target = tolerance**2 * size
    for _ in range(CG_ITERATIONS):
        if every(size <= target):
            return x
        image = times(direction)
        curvature = _dot(direction, image)
        if some(curvature < 0):
            raise Indefinite("the information matrix is not positive definite")
        step = size / (curvature + TINY)
        x += step * direction
        image *= step
        residual -= image
        scaled = inverse * residual
        previous, size = size, _dot(residual, scaled)
        direction *= size / (previous + TINY)
        direction += scaled
    raise NotConverged(f"conjugate gradients: no solution after {CG_ITERATIONS} iterations")


def _lanczos(
    times: Callable[[FloatArray], FloatArray], probes: FloatArray, steps: int
) -> tuple[FloatArray, FloatArray]:
    """Diagonals and off-diagonals (steps, r) of the tridiagonal matrices that belong to the probes."""
    current = probes / np.sqrt(_dot(probes, probes))
    previous, norm = np.zeros_like(current), np.zeros(probes.shape[1])
    diagonal, off = np.empty((steps, probes.shape[1])), np.empty((steps, probes.shape[1]))
    for step in range(steps):
        image = times(current) - norm * previous
        diagonal[step] = _dot(image, current)
        image -= diagonal[step] * current
        off[step] = norm = np.sqrt(_dot(image, image))
        previous, current = current, image / np.maximum(norm, TINY)
    return diagonal, off


def _quadrature(diagonal: FloatArray, off: FloatArray) -> float:
    """Gauss quadrature of the logarithm."""
    nodes, vectors = eigh_tridiagonal(diagonal, off)
    return float(vectors[0] ** 2 @ np.log(np.maximum(nodes, TINY)))
