"""Forgetting, transfer and averages on three small matrices, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from evaluators import _incremental as incremental

N = float("nan")
CASES = {
    # 80; (60 + 90) / 2 = 75
    "two equal steps": (
        [[80, N], [60, 90]],
        [1, 1],
        {"by step": [80, 75], "average": 77.5, "final": 75, "forgetting": 20, "transfer": -20},
    ),
    # (70*10 + 60*20) / 30 = 63.33; (75*10 + 30*20 + 100*10) / 40 = 58.75; falls of 90-75 and 60-30
    "three steps of unequal size": (
        [[90, N, N], [70, 60, N], [75, 30, 100]],
        [10, 20, 10],
        {"by step": [90, 190 / 3, 58.75], "average": 70.694444, "final": 58.75, "forgetting": 22.5, "transfer": -22.5},
    ),
    # step 0 was best at 60 and ends at 55, step 1 only got better: (5 + 0) / 2; transfer (+5 + 30) / 2
    "three steps that help each other": (
        [[50, N, N], [60, 40, N], [55, 70, 20]],
        [4, 4, 4],
        {"by step": [50, 50, 145 / 3], "average": 49.444444, "final": 145 / 3, "forgetting": 2.5, "transfer": 17.5},
    ),
}


@pytest.mark.parametrize(("matrix", "sizes", "expected"), CASES.values(), ids=CASES)
def test_every_number_of_a_matrix_is_the_one_computed_by_hand(
    matrix: list[list[float]], sizes: list[int], expected: dict[str, list[float]]
) -> None:
    accuracies, weights = np.array(matrix, dtype=float), np.array(sizes, dtype=float)
    found = {
        "by step": incremental.accuracy_by_step(accuracies, weights).tolist(),
        "average": incremental.average_incremental_accuracy(accuracies, weights),
        "final": incremental.final_accuracy(accuracies, weights),
        "forgetting": incremental.forgetting(accuracies),
        "transfer": incremental.backward_transfer(accuracies),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name


def test_the_matrix_comes_from_counts_by_class() -> None:
    steps = ((0, 2), (1, 3))
    totals = [10, 10, 30, 40]
    counts = [([5, 0, 20, 0], [10, 10, 30, 40]), ([2, 6, 10, 4], totals)]
    matrix, sizes = incremental.accuracy_matrix(counts, steps)
    assert sizes.tolist() == [40, 50]
    assert matrix[0, 0] == pytest.approx(100 * 25 / 40) and np.isnan(matrix[0, 1])
    assert matrix[1].tolist() == pytest.approx([100 * 12 / 40, 100 * 10 / 50])


def test_test_images_of_classes_to_come_are_not_needed() -> None:
    """After step 0 only the test images of its classes were looked at; how many the others have is seen later."""
    matrix, sizes = incremental.accuracy_matrix([([1, 0], [2, 0]), ([1, 3], [2, 4])], ((0,), (1,)))
    assert sizes.tolist() == [2, 4] and matrix[1].tolist() == [50, 75]


def test_spread_over_orders_and_over_initialisations_are_told_apart() -> None:
    values = np.array([[1.0, 3.0], [5.0, 7.0]])  # means 2 and 6: SD sqrt(8); variance 2 within each order
    assert incremental.sd_over_orders(values) == pytest.approx(8**0.5)
    assert incremental.sd_over_initialisations(values) == pytest.approx(2**0.5)
