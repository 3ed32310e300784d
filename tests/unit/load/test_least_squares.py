"""The solver for many unknowns, against the normal equations solved outright."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqbal.load.least_squares import SparseRow, components, solve_sparse

NUMBERS = st.integers(0, 11)
FACTORS = st.floats(-3, 3, allow_nan=False).filter(lambda value: abs(value) > 1e-3)
ROWS = st.lists(
    st.builds(
        lambda terms, value: SparseRow(list(terms.items()), value),
        st.dictionaries(NUMBERS, FACTORS, min_size=1, max_size=5),
        st.floats(-5, 5),
    ),
    max_size=10,
)


def _outright(rows: list[SparseRow], size: int) -> list[float]:
    """(AᵀA + 1) x = Aᵀb by elimination."""
    matrix = [[float(i == j) for j in range(size)] + [0.0] for i in range(size)]
    for row in rows:
        for i, a in row.terms:
            matrix[i][size] += a * row.value
            for j, b in row.terms:
                matrix[i][j] += a * b
    for i in range(size):
        pivot = matrix[i][i]
        matrix[i] = [value / pivot for value in matrix[i]]
        for k in range(size):
            if k != i:
                ratio = matrix[k][i]
                matrix[k] = [a - ratio * b for a, b in zip(matrix[k], matrix[i], strict=True)]
    return [line[size] for line in matrix]


@given(ROWS)
def test_the_solution_is_that_of_the_normal_equations(rows: list[SparseRow]) -> None:
    found, expected = solve_sparse(rows, 200), _outright(rows, 12)
    for number in range(12):
        assert found.get(number, 0.0) == pytest.approx(expected[number], abs=0.05)


@given(ROWS)
def test_components_share_no_unknown_and_lose_no_equation(rows: list[SparseRow]) -> None:
    parts = components(rows)
    assert sorted(map(id, rows)) == sorted(id(row) for part in parts for row in part)
    unknowns = [{number for row in part for number, _ in row.terms} for part in parts]
    assert sum(map(len, unknowns)) == len(set().union(*unknowns))


def test_equations_that_meet_by_way_of_a_third_are_one_component() -> None:
    rows = [SparseRow([(at, 1.0), (at + 1, 1.0)], 0.0) for at in (0, 2, 1, 5)]
    assert sorted(map(len, components(rows))) == [1, 3]


def test_an_equation_by_itself_is_solved_exactly() -> None:
    found = solve_sparse([SparseRow([(7, 2.0), (9, 1.0)], 3.0)], 0)
    assert found == {7: pytest.approx(1.0), 9: pytest.approx(0.5)}
