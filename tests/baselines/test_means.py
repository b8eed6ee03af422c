"""class-mean, k-means and k-means-real: means of pixels, and the real images beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from baselines._clusters import centres_by_class
from baselines.class_mean import ClassMean
from baselines.k_means import KMeansCentres
from baselines.k_means_real import KMeansReal, nearest_distinct
from baselines.random_real import RandomReal
from benchmark import datasets
from benchmark.run import Run
from benchmark.synthetic_set import Array
from benchmark.values import Budget, Real

RunMaker = Callable[..., Run]


def pixels_of(run: Run, c: int) -> Array:
    """Images of a class (n, 64), in 0..1."""
    return np.asarray(run.dataset.train.images[run.class_rows()[c]].reshape(-1, 64) / 255)


def images_of(made: object, c: int) -> Array:
    tensors = made.tensors  # type: ignore[attr-defined]
    return np.asarray(tensors["images"][tensors["labels"] == c].reshape(-1, 64))


def test_one_image_a_class_is_the_mean_of_the_class(new_run: RunMaker) -> None:
    run = new_run()
    made = ClassMean().distill(Real("digits"), Budget(ipc=1), run)
    assert made.card.space.kind == "pixel"
    for c in range(10):
        np.testing.assert_allclose(images_of(made, c)[0], pixels_of(run, c).mean(axis=0), atol=1e-6)


def test_more_images_are_the_means_of_parts_in_which_every_image_counts_once(new_run: RunMaker) -> None:
    run = new_run()
    made = ClassMean().distill(Real("digits"), Budget(ipc=3), run)
    for c in range(10):
        n = len(run.class_rows()[c])
        sizes = np.array([n // 3 + (part < n % 3) for part in range(3)])
        together = (images_of(made, c) * sizes[:, None]).sum(axis=0) / n
        np.testing.assert_allclose(together, pixels_of(run, c).mean(axis=0), atol=1e-6)
        assert np.ptp(images_of(made, c), axis=0).max() > 0.02  # three different means


def test_parts_are_drawn_by_seed_and_one_mean_is_not(new_run: RunMaker) -> None:
    def digests(ipc: int) -> set[str]:
        return {ClassMean().distill(Real("digits"), Budget(ipc=ipc), new_run(seed)).digest for seed in (0, 0, 1)}

    assert len(digests(2)) == 2
    assert len(digests(1)) == 1


def test_k_means_stores_the_centres_that_scikit_learn_finds(new_run: RunMaker) -> None:
    run = new_run(seed=5)
    made = KMeansCentres(restarts=3).distill(Real("digits"), Budget(ipc=4), run)
    for c in (0, 9):
        seed = int(torch.randint(2**31, (), generator=run.generator("clusters", c)))
        found = KMeans(4, n_init=3, random_state=seed).fit(pixels_of(run, c))
        np.testing.assert_allclose(images_of(made, c), found.cluster_centers_, atol=1e-6)


def test_every_centre_is_the_mean_of_the_images_nearest_to_it(new_run: RunMaker) -> None:
    run = new_run()
    made = KMeansCentres().distill(Real("digits"), Budget(ipc=5), run)
    for c in range(10):
        pixels, centres = pixels_of(run, c), images_of(made, c)
        nearest = np.linalg.norm(pixels[:, None] - centres[None], axis=2).argmin(axis=1)
        means = np.stack([pixels[nearest == k].mean(axis=0) for k in range(5)])
        np.testing.assert_allclose(centres, means, atol=1e-6)


def test_one_cluster_a_class_is_the_class_mean(new_run: RunMaker) -> None:
    centres, means = (
        built.distill(Real("digits"), Budget(ipc=1), new_run()) for built in (KMeansCentres(), ClassMean())
    )
    np.testing.assert_allclose(centres.tensors["images"], means.tensors["images"], atol=1e-6)


def test_clusters_do_not_depend_on_the_number_of_threads(new_run: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    # scikit-learn hands out work in chunks of 256 images, more than a class of digits has: all are taken as one class.
    monkeypatch.setattr(Run, "class_rows", lambda run, at_least: {0: run.rows()})
    found = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            found += [centres for *_, centres in centres_by_class(new_run(), k=10, restarts=2)]
    assert np.array_equal(found[0], found[1])


def test_the_time_of_clusters_is_told_within_a_factor_of_three() -> None:
    # Measured on a thread of an EPYC, images of CIFAR-10: 261 s of ten clusters a class, 7.6 s of one
    facts = datasets.facts("cifar10")
    for ipc, measured in ((10, 261.0), (1, 7.6)):
        told = KMeansReal().seconds(Real("cifar10"), Budget(ipc=ipc), facts)
        assert measured / 3 < told < measured * 3
    halved = KMeansReal().seconds(Real("cifar10", classes=(0, 1, 2, 3, 4)), Budget(ipc=10), facts)
    assert halved == pytest.approx(KMeansReal().seconds(Real("cifar10"), Budget(ipc=10), facts) / 2)
    assert RandomReal().seconds(Real("cifar10"), Budget(ipc=10), facts) < 1


def test_no_image_is_nearest_to_two_centres() -> None:
    points, centres = np.array([[0.0], [1.0], [10.0]]), np.array([[0.2], [0.1], [9.0]])
    # The second centre's nearest, 0, is taken by the first.
    assert nearest_distinct(points, centres).tolist() == [0, 1, 2]


def test_k_means_real_names_images_near_the_centres(new_run: RunMaker) -> None:
    run = new_run(seed=2)
    centres = KMeansCentres().distill(Real("digits"), Budget(ipc=3), run)
    made = KMeansReal().distill(Real("digits"), Budget(ipc=3), run)
    for c in range(10):
        pixels = pixels_of(run, c)
        chosen = run.dataset.train.images[made.tensors["indices"][made.tensors["labels"] == c]].reshape(-1, 64) / 255
        for image, centre in zip(chosen, images_of(centres, c), strict=True):
            distances = np.sort(np.linalg.norm(pixels - centre, axis=1))
            assert np.linalg.norm(image - centre) == pytest.approx(distances[0])
    assert len(set(made.tensors["indices"])) == 30
