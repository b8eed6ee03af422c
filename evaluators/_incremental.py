"""Numbers of class-incremental learning, all from one matrix of accuracies: pure functions of arrays.

R[t, j] is the accuracy in percent, after step t, on the test images of the classes that step j brought; steps count
from 0, and R is NaN above its diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = [
    "accuracy_by_step",
    "accuracy_matrix",
    "average_incremental_accuracy",
    "backward_transfer",
    "final_accuracy",
    "forgetting",
    "sd_over_initialisations",
    "sd_over_orders",
]

Array = npt.NDArray[np.float64]


def accuracy_matrix(
    counts: Sequence[tuple[Sequence[int], Sequence[int]]], steps: Sequence[tuple[int, ...]]
) -> tuple[Array, Array]:
    """R (T, T), and how many test images each step's classes have (T,).

    `counts` holds, after each step, correct predictions and test images by class; `steps` the classes of each.
    """
    matrix = np.full((len(steps), len(steps)), np.nan)
    sizes = np.array([sum(counts[j][1][c] for c in classes) for j, classes in enumerate(steps)], dtype=np.float64)
    for t, (correct, _) in enumerate(counts):
        for j, classes in enumerate(steps[: t + 1]):
            matrix[t, j] = 100.0 * sum(correct[c] for c in classes) / sizes[j]
    return matrix, sizes


def accuracy_by_step(matrix: Array, sizes: Array) -> Array:
    """(T,): after each step, the share of right predictions among the test images of all classes seen so far."""
    return np.array([np.average(row[: t + 1], weights=sizes[: t + 1]) for t, row in enumerate(matrix)])


def average_incremental_accuracy(matrix: Array, sizes: Array) -> float:
    """The mean of the accuracies after each step (Rebuffi et al., iCaRL, CVPR 2017)."""
    return float(accuracy_by_step(matrix, sizes).mean())


def final_accuracy(matrix: Array, sizes: Array) -> float:
    """The accuracy after the last step, on all classes."""
    return float(accuracy_by_step(matrix, sizes)[-1])


def forgetting(matrix: Array) -> float:
    """How far the accuracy on each step but the last fell from its best, on average; 0 or more.

    Source: Chaudhry et al. (ECCV 2018). Differs: the best may be that after the last step, as in aimagelab/mammoth,
    so that a step which only ever got better counts 0, not less.
    """
    earlier = matrix[:, :-1]
    return float((np.nanmax(earlier, axis=0) - earlier[-1]).mean())


def backward_transfer(matrix: Array) -> float:
    """How the accuracy on each step but the last changed since that step, on average; below 0 where it fell.

    Source: Lopez-Paz and Ranzato (NeurIPS 2017), equation 3.
    """
    return float((matrix[-1] - np.diag(matrix))[:-1].mean())


def sd_over_orders(values: Array) -> float:
    """Sample SD over class orders of the mean over initialisations; `values` (orders, initialisations)."""
    return float(values.mean(axis=1).std(ddof=1))


def sd_over_initialisations(values: Array) -> float:
    """SD over initialisations within a class order, pooled over the orders; `values` (orders, initialisations)."""
    return float(np.sqrt(values.var(axis=1, ddof=1).mean()))
