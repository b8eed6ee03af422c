"""Every published layout, written here as its code writes it, becomes the same set to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from benchmark import tensor_file
from benchmark.convert import Converted, layouts
from benchmark.errors import InvalidInput, UsageError

Array = npt.NDArray[Any]
Reading = Callable[..., Converted]
IDS = np.arange(10)
STANDARDIZED = {"space": "standardized"}


def saved(place: Path, value: Any, **options: Any) -> Path:
    torch.save(value, place, **options)
    return place


def images_and_labels(found: Converted) -> tuple[Array, Array]:
    return found.synthetic.tensors["images"], found.synthetic.tensors["labels"]


def experiments(images: Array) -> dict[str, Any]:
    """As main.py of DC and DSA: five experiments, accuracies as numpy numbers."""
    pairs = [[torch.from_numpy(images + i / 8), torch.from_numpy(IDS)] for i in range(5)]
    return {"data": pairs, "accs_all_exps": {"ConvNet": [np.float64(0.51), np.float32(0.5), np.int64(1)]}}


@pytest.mark.parametrize("zipped", [True, False], ids=["since torch 1.6", "before torch 1.6"])
def test_dc_dsa_and_dm(reading: Reading, tmp_path: Path, standardized: Array, zipped: bool) -> None:
    name = "res_DM_digits_ConvNet_1ipc.pt"
    file = saved(tmp_path / name, experiments(standardized), _use_new_zipfile_serialization=zipped)
    if not zipped:  # numpy's core had another name then
        assert b"cnumpy._core" in file.read_bytes()
        file.write_bytes(file.read_bytes().replace(b"cnumpy._core", b"cnumpy.core"))
    found = reading(file, index=3, **STANDARDIZED)
    images, labels = images_and_labels(found)
    np.testing.assert_array_equal(images, standardized + 3 / 8)
    np.testing.assert_array_equal(labels, IDS)
    assert images.dtype == np.float32 and found.synthetic.card.space.mean == (0.305205,)
    assert found.remarks == ("took set 3 of 5",)


def test_which_experiment_is_asked_for_with_the_list(reading: Reading, tmp_path: Path, standardized: Array) -> None:
    file = saved(tmp_path / "res_DC.pt", experiments(standardized))
    with pytest.raises(
        UsageError, match=r"holds 5 sets\. Which one\? Add --index(.|\n)*\n  4: images \(10, 1, 8, 8\)$"
    ):
        reading(file, **STANDARDIZED)
    with pytest.raises(UsageError, match=r"--index 5: res_DC.pt holds the sets 0 to 4"):
        reading(file, index=5, **STANDARDIZED)


def test_datadam_as_released_has_one_pair(reading: Reading, tmp_path: Path, standardized: Array) -> None:
    pair = [torch.from_numpy(standardized), torch.from_numpy(IDS)]
    for name, value in (("syn_data_ipc_1.pt", {"data": pair}), ("res_DataDAM.pt", {"data": [pair]})):
        images, _ = images_and_labels(reading(saved(tmp_path / name, value), **STANDARDIZED))
        np.testing.assert_array_equal(images, standardized)


def test_mtt_tesla_and_ftd(reading: Reading, tmp_path: Path, standardized: Array) -> None:
    images = saved(tmp_path / "images_best.pt", torch.from_numpy(standardized).requires_grad_())
    labels = saved(tmp_path / "labels_best.pt", torch.from_numpy(IDS.astype(np.float32)))
    found = reading(images, labels, learning_rate=0.02, **STANDARDIZED)
    got, ids = images_and_labels(found)
    np.testing.assert_array_equal(got, standardized)
    np.testing.assert_array_equal(ids, IDS)
    assert found.synthetic.card.schedule == {"learning_rate": 0.02} and ids.dtype == np.int64


def test_mtt_in_numbered_parts(reading: Reading, tmp_path: Path, standardized: Array) -> None:
    files = [saved(tmp_path / f"images_best_{i}.pt", torch.from_numpy(standardized[i * 5 :][:5])) for i in (1, 0)]
    files += [saved(tmp_path / f"labels_best_{i}.pt", torch.from_numpy(IDS[i * 5 :][:5])) for i in (0, 1)]
    np.testing.assert_array_equal(images_and_labels(reading(*files, **STANDARDIZED))[0], standardized)
    several = [saved(tmp_path / f"images_{i}.pt", torch.from_numpy(standardized)) for i in (100, 200)]
    with pytest.raises(UsageError, match=r"several files hold images \(images_100.pt, images_200.pt\)\. Name one"):
        reading(*several, files[2], **STANDARDIZED)


def test_the_whitening_that_mtt_inverts_is_pixels(reading: Reading, tmp_path: Path, pixels: Array) -> None:
    images = saved(tmp_path / "images_zca_5000.pt", torch.from_numpy(pixels))
    found = reading(images, saved(tmp_path / "labels_5000.pt", torch.from_numpy(IDS)))
    assert found.synthetic.card.space.kind == "pixel"
    assert found.remarks == ("images_zca_5000.pt is what MTT inverts its whitening into: pixels",)


def test_images_alone_ask_for_their_labels(reading: Reading, tmp_path: Path, pixels: Array) -> None:
    with pytest.raises(UsageError, match=r"holds images without labels. Name the file of the labels too"):
        reading(saved(tmp_path / "images_best.pt", torch.from_numpy(pixels)), space="pixel")


@pytest.mark.parametrize("rate", [0.0123, torch.tensor(0.0123)], ids=["a float", "a tensor"])
def test_datm_has_logits_and_a_learned_rate(
    reading: Reading, tmp_path: Path, standardized: Array, rate: float | torch.Tensor
) -> None:
    logits = np.random.default_rng(0).normal(size=(10, 10)).astype(np.float32)
    files = [
        saved(tmp_path / "images_best.pt", torch.from_numpy(standardized)),
        saved(tmp_path / "labels_best.pt", torch.from_numpy(logits)),
        saved(tmp_path / "lr_best.pt", rate),
    ]
    with pytest.raises(UsageError, match=r"rows of 10 numbers .*no probabilities.*Add --labels probabilities"):
        reading(*files, **STANDARDIZED)
    found = reading(*files, labels="logits", temperature=2.0, **STANDARDIZED)
    np.testing.assert_array_equal(images_and_labels(found)[1], logits)
    card = found.synthetic.card
    assert (card.labels.kind, card.labels.temperature, card.track) == ("logits", 2.0, "soft")
    assert card.schedule is not None and card.schedule["learning_rate"] == pytest.approx(0.0123)
    with pytest.raises(UsageError, match=r"--learning-rate 0\.5: the files hold 0\.0123"):
        reading(*files, labels="logits", learning_rate=0.5, **STANDARDIZED)
    with pytest.raises(InvalidInput, match=r"E211 .* rows that are negative"):
        reading(*files, labels="probabilities", **STANDARDIZED)


def test_kip_is_turned_and_its_labels_become_ids(reading: Reading, tmp_path: Path, standardized: Array) -> None:
    file = tmp_path / "kip_digits_ConvNet3_ssize10_zca_nol_noaug_ckpt1000.npz"
    np.savez(file, images=standardized.transpose(0, 2, 3, 1), labels=(np.eye(10) - 0.1).astype(np.float32))
    found = reading(file, space="zca:kip")
    images, labels = images_and_labels(found)
    np.testing.assert_array_equal(images, standardized)
    np.testing.assert_array_equal(labels, IDS)
    assert found.synthetic.card.space.to_json() == {"kind": "zca", "variant": "kip", "eps": 0.1}
    assert "labels: centred one-hot rows become class ids, losslessly" in found.remarks
    assert any("stored and listed, but not trained on" in remark for remark in found.remarks)


def test_frepo_and_rfad_have_learned_labels_of_any_size(reading: Reading, tmp_path: Path, standardized: Array) -> None:
    learned = (np.eye(10) * 1.3 - 0.2).astype(np.float32)
    for names in (("x_proto", "y_proto"), ("images", "labels")):
        file = tmp_path / f"{names[0]}.npz"
        arrays: dict[str, Any] = {names[0]: standardized.transpose(0, 2, 3, 1), names[1]: learned}
        np.savez(file, **arrays)
        with pytest.raises(UsageError, match="no probabilities"):
            reading(file, **STANDARDIZED)
        found = reading(file, labels="hard", **STANDARDIZED)
        np.testing.assert_array_equal(images_and_labels(found)[1], IDS)
        assert "labels: of each row only its largest number is kept" in found.remarks


def test_idc_and_dream_keep_their_formations_small(reading: Reading, tmp_path: Path, pixels: Array) -> None:
    file = saved(tmp_path / "data.pt", [torch.from_numpy(pixels), torch.from_numpy(IDS)])
    with pytest.raises(UsageError, match="how many formations stand on a side of each image"):
        reading(file, space="pixel")
    whole = reading(file, space="pixel", factor=1).synthetic
    assert whole.card.decoder.name == "identity"
    found = reading(file, space="pixel", factor=2)
    images, labels = images_and_labels(found)
    np.testing.assert_array_equal(images, pixels)
    np.testing.assert_array_equal(labels, np.tile(IDS, 4))
    card = found.synthetic.card
    assert (card.decoder.name, card.decoder.options, card.ipc) == ("multi-formation", (("factor", 2),), 1)
    assert found.synthetic.ledger["images"] == whole.ledger["images"] == 10 * 64 * 4


def test_folders_of_images_by_name_or_number(reading: Reading, tmp_path: Path, pixels: Array) -> None:
    bytes_ = np.rint(pixels * 255).astype(np.uint8)
    for style in ("{}", "new{:03d}", "0000{}"):
        place = tmp_path / style.replace("{", "").replace("}", "").replace(":", "")
        for label in reversed(range(10)):
            (place / style.format(label)).mkdir(parents=True)
            Image.fromarray(bytes_[label, 0]).save(place / style.format(label) / "00000.png")
        images, labels = images_and_labels(reading(place))
        np.testing.assert_array_equal(images, bytes_)
        np.testing.assert_array_equal(labels, IDS)
    (place / "00003").rename(place / "three")
    with pytest.raises(InvalidInput, match="sub-folder 'three' is no class of 'digits'"):
        reading(place)


def test_bare_arrays(reading: Reading, tmp_path: Path, pixels: Array) -> None:
    tensors: dict[str, Any] = {"images": torch.from_numpy(pixels), "labels": torch.from_numpy(IDS), "epoch": 3}
    np.savez(tmp_path / "set.npz", x=pixels[:, 0].astype(np.float64), y=IDS.astype(np.uint8), spare=IDS)
    np.save(tmp_path / "images.npy", np.asfortranarray(pixels))
    np.save(tmp_path / "labels.npy", IDS[:, None])
    (tmp_path / "set.safetensors").write_bytes(tensor_file.to_bytes({"images": pixels, "labels": IDS}))
    for files in (
        [saved(tmp_path / "set.pt", tensors)],
        [tmp_path / "set.npz"],
        [tmp_path / "images.npy", tmp_path / "labels.npy"],
        [tmp_path / "set.safetensors"],
        [saved(tmp_path / "last.pt", {**tensors, "images": tensors["images"].to(memory_format=torch.channels_last)})],
    ):
        found = reading(*files, space="pixel")
        images, labels = images_and_labels(found)
        np.testing.assert_array_equal(images, pixels)
        np.testing.assert_array_equal(labels, IDS)
        assert images.dtype == np.float32 and images.flags.c_contiguous


def test_what_has_no_decoder_is_refused_with_the_reason(reading: Reading, tmp_path: Path, pixels: Array) -> None:
    bases = saved(tmp_path / "images_best.pt", torch.from_numpy(pixels))
    generator = saved(
        tmp_path / "weights_best.pt", [{"enc.weight": torch.ones(3, 1, 3, 3), "0.bias": torch.ones(3)}] * 5
    )
    with pytest.raises(InvalidInput, match=r"such as a generator, but not HaBa's styles. There is no decoder for them"):
        reading(bases, generator)
    steps = saved(tmp_path / "results.pth", [(torch.from_numpy(pixels), torch.from_numpy(IDS), torch.tensor(0.02))] * 3)
    with pytest.raises(InvalidInput, match="ordered steps with a learning rate each"):
        reading(steps)
    buffer = saved(tmp_path / "replay_buffer_0.pt", [[[torch.ones(2, 2)] * 3] * 4] * 2)
    with pytest.raises(InvalidInput, match="trajectories of networks"):
        reading(buffer)
    with pytest.raises(InvalidInput, match=r"no layout that is known here\. Read are:\n  DC, DSA(.|\n)*docs/convert"):
        reading(saved(tmp_path / "model.pt", {"weight": torch.ones(3)}))


def test_every_layout_is_described_in_the_docs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "convert.md").read_text(encoding="utf-8")
    for layout in layouts.LAYOUTS[1:]:
        for family in layout.describes.partition(":")[0].split(", "):
            assert family in page, family
