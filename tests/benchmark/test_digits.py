"""The digits: all of scikit-learn's without loss, and images and parts that never change."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from benchmark import datasets
from benchmark.datasets import _loading
from benchmark.datasets._canonical import measure
from benchmark.datasets._place import locate
from benchmark.errors import InvalidInput

pytestmark = pytest.mark.usefixtures("own_data_root")

DIGITS_PARTS = {
    "holdout": "ab89dc6eedd1d624efb8247185e38831e0e9ed42317a1adf71f84e4434358460",
    "minus-holdout": "1ae059bc42f3f044642513265ea5d31ec8e647d373f84783f7cb649f63e4e577",
    "fold-0": "31be8bb37dc22206e8a52e27a5c17f8a2f04a2881e4c52408f827e5731f542c3",
    "fold-1": "58b24cd62edb30389a92e253d6c8edecb2ff130e0b5646f506a100b10d423c19",
    "fold-2": "527fce94baea0b58efd41c372e48bec89d4854c64a25ca7558efa2a2678b0a29",
    "fold-3": "9c6dbd7463a6216786dee238078fcea657f147f8dddbe19ec40e686a57dc06dc",
    "fold-4": "6b6cd23178f34b60f666c0c7cfdb8511f4953b870aef059bbd53c9e021242c32",
    "minus-fold-0": "880c139175ded204ccbab00faf3513a6d3056fe4abd172dada8d2b1722b37316",
    "minus-fold-1": "fe2a85b65087fe7cb2b0ac7fd8ae42c8b04471e0b21f1b98ce03d530cadebf6f",
    "minus-fold-2": "d9aae2050b67eb71a6c2351685924311ddf1ad7a896ccdc19fdb9c71f19445d9",
    "minus-fold-3": "9153381acde558066ae9619279d58e14af62b38a0b2332826d60f2340628f2da",
    "minus-fold-4": "122e90005d03c7351940d60583b0aab743f79b18ea08c1d9951a2520639867e1",
    "half-00": "6cdf6643a0ac86120612e46a11826ffedb233ea1b94a3a99954a472ac0233c8b",
    "half-01": "50efa060937a5c14cdb6b633560e71dba4eba6ddc1b4bf6fa5fce06a9123ed0b",
    "half-02": "b443008eed95f75e4d900913f873a37deef055037b274efd1af697f6a3a7d5cc",
    "half-03": "d6e4c1e3e9629ad61e4483e5659f218c9e77cabfbafa2798a86a9cf6eb47fdef",
    "half-04": "0428a5d21969adb07f19c744297a2a21928a707dbdc9cd5082269bbf8c31fae3",
    "half-05": "1bc94064a479a01767dfb6f325bab017bffdfc6eba5a28564015f9c76b3c6597",
    "half-06": "0753c70914f472209cf55e23a8c1caa2444fa8883c1ca90b071ffca9dd23e08e",
    "half-07": "b1c982b3a2f79d09ba535e3bd4e86b8a3588f5614f5f584861bc464bea29cd3f",
    "half-08": "856887678a89776ebcc587f17474b1e8ced579b74528fb7f1b2cb2c908ebbc53",
    "half-09": "f8d53b0d30e9dfb3ff10dc28e8de269248c1f8643995a78f95edb36bfead570d",
    "half-10": "83805a0c6cc4699f0b6ef26656e6a65cabc5ceb93745237e3f401782ed731926",
    "half-11": "77f1dede577e0457426c547951399451b552b235bf6bcc24b9a396712614b918",
    "half-12": "f1bbdd7e903c315e3aa9c067e502510ccf6d63ba7345e984be0bd524c06c9023",
    "half-13": "02560520df302116db3b1ea7965c9518fcc03f164960d40f290bcc7e376d7cc5",
    "half-14": "19bb469ddd4bf0ae23fb5c0512a83002c2485adf151ce9005fc23ee6acf4cdd2",
    "half-15": "3d46f54d82907898c001d39f397916724b21265ce2a872370b733ffc960d6022",
}
"""sha256 of the positions in canonical order, as little-endian int64: moving one moves published results."""


def sha256(array: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_digits_are_a_thousand_and_797_images_without_loss() -> None:
    from sklearn.datasets import load_digits

    dataset = datasets.load("digits")
    assert dataset.train.images.shape == (1000, 1, 8, 8)
    assert dataset.test.images.shape == (797, 1, 8, 8)
    assert dataset.train.images.dtype == np.uint8
    assert np.bincount(dataset.train.labels).tolist() == [99, 101, 98, 102, 101, 101, 101, 100, 97, 100]
    counts = np.rint(np.concatenate([dataset.train.images, dataset.test.images]) * (16 / 255))
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    ours = sorted((int(label), image.astype(int).tolist()) for label, image in zip(labels, counts[:, 0], strict=True))
    found = load_digits()
    theirs = sorted(
        (int(label), image.astype(int).tolist()) for label, image in zip(found.target, found.images, strict=True)
    )
    assert ours == theirs


def test_the_digits_never_change() -> None:
    dataset = datasets.load("digits")
    assert dataset.facts == datasets.facts("digits")
    assert dataset.facts.digest == "262c2dea57bb4eeb9dcc4b8a2ec1da1ac6736d8142eff0116695f9489a816dc2"
    assert dataset.facts.options["split"] == "43b8f634caaf0d14d5e269d30d58f0cd16b6d52ba7714f52547b05e8393ec36c"
    assert sha256(dataset.train.images) == "2ac3c0a92374d692633041e70e5c5bec2df420ac267c09a68805bd11c3442f2d"
    numbers = measure(dataset.train.images)
    assert numbers.mean == pytest.approx(dataset.facts.statistics["dataset"].mean, abs=1e-6)
    assert numbers.std == pytest.approx(dataset.facts.statistics["dataset"].std, abs=1e-6)


@pytest.mark.parametrize("part", datasets.PARTS)
def test_the_parts_of_the_digits_never_change(part: str) -> None:
    assert sha256(datasets.load("digits").indices("train", part).astype("<i8")) == DIGITS_PARTS[part]


def test_a_changed_digits_split_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets

    found = sklearn.datasets.load_digits()
    found.images = found.images.copy()
    found.images[0, 0, 0] = 16
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: found)
    with pytest.raises(InvalidInput, match="scikit-learn's load_digits is not scikit-learn digits: its digest is"):
        _loading.read(locate("digits"))
