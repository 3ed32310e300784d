"""Solvers for weighted least-squares problems in plain Python. Pure.

`ridge` solves for few unknowns by Gaussian elimination. `solve_sparse` solves for many unknowns
with sparse equations: these fall into components that share no unknown, and each is solved by
itself.
"""

from __future__ import annotations

import msgspec

RESIDUAL = 1e-4
"""Mean squared residual, in standard errors of the priors, at which conjugate gradients stop: a
hundredth of what a prior leaves open, and below what jiffies can show.
"""
SPREAD = 5.0
"""Standard error of the ridge's prior, in units of the scaled unknowns: wide, so that only unknowns
that no equation determines stay at their prior.
"""


Terms = list[tuple[int, float]]
"""(unknown, factor) of one equation."""


class WeightedRow(msgspec.Struct, frozen=True):
    """One equation of `ridge`: the sum of amount × unknown is `value`, with this variance."""

    amounts: dict[int, float]
    value: float
    variance: float


class SparseRow(msgspec.Struct, frozen=True):
    """One equation of `solve_sparse`: the sum of factor × unknown over `terms` is `value`, in
    standard errors.
    """

    terms: Terms
    value: float


def solve_sparse(equations: list[SparseRow], steps: int) -> dict[int, float]:
    """The unknowns x, by any number, that minimise |A x - b|² + |x|². Components of more than one
    equation are approximated in at most `steps` steps, each of which visits every term once.
    """
    found: dict[int, float] = {}
    for rows in components(equations):
        if len(rows) == 1:
            terms, value = rows[0].terms, rows[0].value
            share = value / (1.0 + sum([factor * factor for _, factor in terms]))
            for at, factor in terms:
                found[at] = factor * share
            continue
        numbers = list(dict.fromkeys([at for row in rows for at, _ in row.terms]))
        places = {number: at for at, number in enumerate(numbers)}
        local = [
            SparseRow([(places[at], factor) for at, factor in row.terms], row.value) for row in rows
        ]
        found.update(zip(numbers, conjugate_gradients(local, len(numbers), steps), strict=True))
    return found


def components(equations: list[SparseRow]) -> list[list[SparseRow]]:
    """The equations, those in one list that share unknowns, even by way of others."""
    parents = list(range(len(equations)))

    def root(at: int) -> int:
        while parents[at] != at:
            parents[at] = at = parents[parents[at]]
        return at

    first: dict[int, int] = {}
    for at, row in enumerate(equations):
        for number, _ in row.terms:
            other = first.setdefault(number, at)
            if other != at and (a := root(at)) != (b := root(other)):
                parents[a] = b
    found: dict[int, list[SparseRow]] = {}
    for at, row in enumerate(equations):
        found.setdefault(root(at), []).append(row)
    return list(found.values())


def conjugate_gradients(equations: list[SparseRow], size: int, steps: int) -> list[float]:
    """The `size` unknowns x, numbered from 0, that minimise |A x - b|² + |x|², approximated in at
    most `steps` steps.
    """
    x = [0.0] * size
    residual = [0.0] * size
    for row in equations:
        for at, factor in row.terms:
            residual[at] += factor * row.value
    direction = residual[:]
    old = sum([value * value for value in residual])
    for _ in range(steps):
        if old < RESIDUAL * size:
            break
        image = direction[:]
        for row in equations:
            terms = row.terms
            dot = sum([factor * direction[at] for at, factor in terms])
            for at, factor in terms:
                image[at] += factor * dot
        step = old / sum([a * b for a, b in zip(direction, image, strict=True)])
        x = [a + step * b for a, b in zip(x, direction, strict=True)]
        residual = [a - step * b for a, b in zip(residual, image, strict=True)]
        new = sum([value * value for value in residual])
        direction = [a + new / old * b for a, b in zip(residual, direction, strict=True)]
        old = new
    return x


def ridge(rows: list[WeightedRow], scale: list[float], prior: list[float]) -> list[float]:
    """The unknowns x that fit the rows best, where unknown i of a row is `scale[i] * x[i]`. The
    prior of x is `prior` with a standard error of SPREAD.

    Gaussian elimination on the normal equations, which the prior makes positive definite.
    """
    size = len(scale)
    weight = 1 / SPREAD**2
    matrix = [[weight if i == j else 0.0 for j in range(size)] for i in range(size)]
    right = [weight * value for value in prior]
    for row in rows:
        value, variance = row.value, row.variance
        terms = [(at, amount * scale[at]) for at, amount in row.amounts.items()]
        for i, a in terms:
            right[i] += a * value / variance
            line = matrix[i]
            for j, b in terms:
                line[j] += a * b / variance
    for i in range(size):
        pivot = matrix[i][i]
        for k in range(i + 1, size):
            ratio = matrix[k][i] / pivot
            if ratio:
                for j in range(i, size):
                    matrix[k][j] -= ratio * matrix[i][j]
                right[k] -= ratio * right[i]
    solution = [0.0] * size
    for i in reversed(range(size)):
        known = sum(matrix[i][j] * solution[j] for j in range(i + 1, size))
        solution[i] = (right[i] - known) / matrix[i][i]
    return solution
