"""Named datasets through torchvision's own reading and downloading code, on small fakes in its own file formats.

The fakes have other checksums than the real files, so torchvision's lists of names and md5 sums are replaced by
those of the fakes: its code then runs whole, checks included.
"""

from __future__ import annotations

import gzip
import hashlib
import http.server
import pickle
import struct
import tarfile
import threading
import time
import urllib.error
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
import scipy.io
import torchvision.datasets

from benchmark import datasets, registry
from benchmark.datasets import _loading
from benchmark.datasets._place import Place
from benchmark.errors import EnvironmentFault, InvalidInput

N_TRAIN, N_TEST = 60, 20
Images = np.ndarray[Any, np.dtype[np.uint8]]
Labels = np.ndarray[Any, np.dtype[np.int64]]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISTILLBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def _plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register the fakes: `fake-cifar10` and so on."""
    folder = tmp_path / "plugins" / "datasets"
    folder.mkdir(parents=True)
    for kind, shape in (
        ("CIFAR10", [3, 32, 32]),
        ("MNIST", [1, 28, 28]),
        ("SVHN", [3, 32, 32]),
        ("Kinetics", [1, 1, 1]),
    ):
        (folder / f"fake_{kind.lower()}.toml").write_text(
            f"""format = 1
title = "Fake {kind}"
summary = "A fake."
source = "https://example.org"
licence = "none"
citation = "none"
redistributable = true
flip = false
shape = {shape}
n_train = {N_TRAIN}
n_test = {N_TEST}
loader = "torchvision"
options.class = "{kind}"
"""
        )
    monkeypatch.setenv("DISTILLBENCH_PLUGINS", str(tmp_path / "plugins"))
    registry._files.cache_clear()
    yield
    monkeypatch.undo()
    registry._files.cache_clear()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network in this test")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def some_images(shape: tuple[int, ...], seed: int) -> tuple[Images, Labels]:
    n = N_TRAIN if seed == 0 else N_TEST
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (n, *shape), dtype=np.uint8), generator.permutation(np.arange(n) % 10)


def md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes()).hexdigest()


def write_cifar10(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout of cifar-10-batches-py: pickled dicts of rows of 3,072 bytes, red before green before blue."""
    folder.mkdir(parents=True)
    (images, labels), (test_images, test_labels) = some_images((3, 32, 32), 0), some_images((3, 32, 32), 1)
    lists: dict[str, list[list[str]]] = {"train_list": [], "test_list": []}
    for name, which in (("data_batch_1", slice(0, 25)), ("data_batch_2", slice(25, None)), ("test_batch", None)):
        data = images[which] if which else test_images
        target = labels[which] if which else test_labels
        batch = {"data": data.reshape(len(data), -1), "labels": target.tolist()}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
        lists["train_list" if which else "test_list"].append([name, md5(folder / name)])
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}, protocol=2))
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "train_list", lists["train_list"])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "test_list", lists["test_list"])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(folder / "batches.meta")}
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "meta", meta)


def write_mnist(folder: Path) -> None:
    """The idx layout of MNIST/raw: big-endian header, then bytes."""
    folder.mkdir(parents=True)
    for name, seed in (("train", 0), ("t10k", 1)):
        images, labels = some_images((28, 28), seed)
        header = struct.pack(">iiii", 0x803, len(images), 28, 28)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        header = struct.pack(">ii", 0x801, len(labels))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(header + labels.astype(np.uint8).tobytes())


def write_svhn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The .mat layout of SVHN: X (H, W, C, N), y (N, 1) in which 10 stands for the digit 0."""
    listed = {}
    for split, seed in (("train", 0), ("test", 1)):
        images, labels = some_images((32, 32, 3), seed)
        y = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        file = folder / f"{split}_32x32.mat"
        scipy.io.savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": y})
        listed[split] = ["http://127.0.0.1:9/", file.name, md5(file)]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", listed)


def sorted_by_class(file: Path, images: tuple[Images, Images], labels: tuple[Labels, Labels]) -> None:
    """Write (N, H, W, C) images in class order, as other copies of such data come."""
    order, test_order = np.argsort(labels[0], kind="stable"), np.argsort(labels[1], kind="stable")
    np.savez(
        file,
        x_train=images[0][order],
        y_train=labels[0][order],
        x_test=images[1][test_order],
        y_test=labels[1][test_order],
    )


def assert_same(first: datasets.Dataset, second: datasets.Dataset) -> None:
    assert first.facts.digest == second.facts.digest
    for split in ("train", "test"):
        assert np.array_equal(first.split(split).images, second.split(split).images)
        assert np.array_equal(first.split(split).labels, second.split(split).labels)


def test_cifar10_in_torchvisions_order_and_sorted_by_class_give_the_same_indices(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None
) -> None:
    write_cifar10(root / "cifar-10-batches-py", monkeypatch)
    (images, labels), (test_images, test_labels) = some_images((3, 32, 32), 0), some_images((3, 32, 32), 1)
    channels_last = (images.transpose(0, 2, 3, 1), test_images.transpose(0, 2, 3, 1))
    sorted_by_class(tmp_path / "by-class.npz", channels_last, (labels, test_labels))
    assert_same(datasets.load("fake-cifar10"), datasets.load(tmp_path / "by-class.npz"))


def test_mnist_in_torchvisions_order_and_sorted_by_class_give_the_same_indices(
    root: Path, tmp_path: Path, offline: None
) -> None:
    write_mnist(root / "MNIST" / "raw")
    (images, labels), (test_images, test_labels) = some_images((28, 28), 0), some_images((28, 28), 1)
    sorted_by_class(tmp_path / "by-class.npz", (images, test_images), (labels, test_labels))
    assert_same(datasets.load("fake-mnist"), datasets.load(tmp_path / "by-class.npz"))


def test_svhn_in_torchvisions_order_and_sorted_by_class_give_the_same_indices(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None
) -> None:
    write_svhn(root, monkeypatch)
    (images, labels), (test_images, test_labels) = some_images((32, 32, 3), 0), some_images((32, 32, 3), 1)
    sorted_by_class(tmp_path / "by-class.npz", (images, test_images), (labels, test_labels))
    assert_same(datasets.load("fake-svhn"), datasets.load(tmp_path / "by-class.npz"))


def test_what_torchvision_read_is_kept_as_npz_and_read_from_there(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mnist(root / "MNIST" / "raw")
    first = datasets.load("fake-mnist")
    assert f"fake-mnist: digest {first.facts.digest} (none is committed" in capsys.readouterr().err
    assert (root / "fake-mnist.npz").is_file()
    assert not list(root.glob(".*npz*"))
    for file in (root / "MNIST" / "raw").iterdir():
        file.unlink()
    monkeypatch.setattr(torchvision.datasets, "MNIST", None)  # not asked any more
    again = _loading.read(Place("fake-mnist", registry.path("dataset", "fake-mnist")))
    assert_same(first, again)


def test_torchvision_files_with_a_wrong_checksum_are_not_read(
    root: Path, monkeypatch: pytest.MonkeyPatch, offline: None
) -> None:
    write_cifar10(root / "cifar-10-batches-py", monkeypatch)
    with (root / "cifar-10-batches-py" / "data_batch_2").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(EnvironmentFault, match="cannot be downloaded"):
        datasets.load("fake-cifar10")
    assert not (root / "fake-cifar10.npz").exists()


@pytest.mark.parametrize("kept", [-100, 10, 0])
def test_torchvision_files_that_are_cut_short_are_not_read(root: Path, offline: None, kept: int) -> None:
    write_mnist(root / "MNIST" / "raw")
    file = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(EnvironmentFault, match="cannot be downloaded"):
        datasets.load("fake-mnist")
    assert not (root / "fake-mnist.npz").exists()


def test_too_few_images_are_refused_and_not_kept(root: Path, offline: None) -> None:
    write_mnist(root / "MNIST" / "raw")
    facts = registry.path("dataset", "fake-mnist")
    facts.write_text(facts.read_text().replace(f"n_train = {N_TRAIN}", "n_train = 60000"))
    with pytest.raises(InvalidInput, match="60 train images; Fake MNIST has 60000"):
        datasets.load("fake-mnist")
    assert not (root / "fake-mnist.npz").exists()


def test_without_a_network_the_fix_is_named_and_nothing_is_left(
    root: Path, offline: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        EnvironmentFault, match=rf"no network in this test.*cifar10\.npz into {root}.*DISTILLBENCH_DATA"
    ):
        datasets.load("cifar10")
    assert "downloading CIFAR-10 from https://www.cs.toronto.edu" in capsys.readouterr().err
    assert not [file for file in root.rglob("*") if file.is_file() and file.suffix != ".lock"]


def test_a_wrong_npz_under_a_registered_name_is_refused(root: Path) -> None:
    images, labels = some_images((32, 32, 3), 0)
    np.savez(root / "cifar10.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    with pytest.raises(InvalidInput, match=r"cifar10\.npz: 60 train images; CIFAR-10 has 50000"):
        datasets.load("cifar10")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve the folder `served` on this machine; gives its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    (tmp_path / "served").mkdir()
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))
    ) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}/"
        served.shutdown()
        thread.join()


def serve_cifar10(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path / "cifar-10-batches-py", monkeypatch)
    archive = tmp_path / "served" / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"{server}cifar.tar.gz")
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", md5(archive))


def test_a_download_is_checked_kept_and_cleared_away(
    root: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    serve_cifar10(tmp_path, server, monkeypatch)
    (root / "downloads" / "fake-cifar10").mkdir(parents=True)
    (root / "downloads" / "fake-cifar10" / "cifar-10-python.tar.gz").write_bytes(b"left by a killed download")
    dataset = datasets.load("fake-cifar10")
    assert len(dataset.train) == N_TRAIN
    assert sorted(file.name for file in root.rglob("*") if file.is_file()) == ["fake-cifar10.lock", "fake-cifar10.npz"]
    errors = capfd.readouterr().err
    assert "downloading Fake CIFAR10" in errors
    assert "%|" not in errors  # no bar where nobody looks


def test_a_download_with_a_wrong_checksum_is_refused(
    root: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_cifar10(tmp_path, server, monkeypatch)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", "0" * 32)
    with pytest.raises(EnvironmentFault, match="File not found or corrupted"):
        datasets.load("fake-cifar10")
    assert not (root / "fake-cifar10.npz").exists()


def test_mnist_is_downloaded_through_its_list_of_mirrors(
    root: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path / "raw")
    resources = []
    for file in sorted((tmp_path / "raw").iterdir()):
        packed = tmp_path / "served" / f"{file.name}.gz"
        packed.write_bytes(gzip.compress(file.read_bytes()))
        resources.append((packed.name, md5(packed)))
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["http://127.0.0.1:9/", server])  # nobody listens on 9
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    assert len(datasets.load("fake-mnist").test) == N_TEST
    assert not (root / "MNIST").exists()


def test_two_processes_do_not_download_at_once(root: Path, offline: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Another holder of the lock makes the file meanwhile: we wait, then read it and ask for no network."""
    images, labels = some_images((28, 28), 0)
    test_images, test_labels = some_images((28, 28), 1)
    held = threading.Event()

    def other() -> None:
        with filelock.FileLock(root / "fake-mnist.lock"):
            held.set()
            time.sleep(0.3)
            sorted_by_class(root / "fake-mnist.npz", (images, test_images), (labels, test_labels))

    thread = threading.Thread(target=other)
    thread.start()
    held.wait()
    dataset = datasets.load("fake-mnist")
    thread.join()
    assert len(dataset.train) == N_TRAIN
    assert "waiting for another process that gets fake-mnist.npz" in capsys.readouterr().err


def test_a_class_that_torchvision_does_not_have_is_refused(offline: None) -> None:
    facts = registry.path("dataset", "fake-mnist")
    facts.write_text(facts.read_text().replace('"MNIST"', '"vision"'))
    with pytest.raises(InvalidInput, match=r"options\.class = 'vision' is no dataset of torchvision"):
        datasets.load("fake-mnist")


def test_a_torchvision_dataset_needs_a_registered_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="loader 'torchvision' is for named datasets"):
        datasets.load(registry.path("dataset", "fake-mnist"))


def test_a_data_root_that_cannot_be_written_is_the_environments_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DISTILLBENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(EnvironmentFault, match="cannot write to"):
        datasets.load("cifar10")
