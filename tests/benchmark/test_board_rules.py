"""Sets that are well-formed, and that the rules of the boards refuse all the same, with evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import submission
from benchmark.store import Store
from benchmark.synthetic_set import Array
from tests.benchmark.bad_inputs import IMAGES, LABELS, check_refusal, fine, with_card, with_tensors

ROOT = Path(__file__).parents[2]


def test_a_set_of_somebody_else_is_4_and_names_the_stored_one(stored: Path, tmp_path: Path) -> None:
    opened = Store(stored)
    first, copied = fine(tmp_path / "first"), fine(tmp_path / "copied")
    digest = submission.submit(first, opened).digest
    with_card(method="mine-now", contributor="N. N.")(copied)
    text = check_refusal(copied, stored, "E604", 4, "card.json:method")
    assert f"set {digest[:12]}" in text and "'by-hand'" in text
    assert opened.read_card(digest).method == "by-hand"


def shuffled() -> dict[str, Array]:
    order = np.random.default_rng(3).permutation(10)
    return {"images": IMAGES[order], "labels": LABELS[order]}


STANDARDIZED = {"space": {"kind": "standardized", "mean": [0.3], "std": [0.2]}}


TEACHER = {"by": "teacher", "sha256": "5" * 64, "trained_on": "train-minus-holdout"}
SOFT = {"labels": {"kind": "probabilities"}, "label_origin": {"by": "method"}}


@pytest.mark.parametrize(
    ("arrays", "card"),
    [
        (shuffled(), {}),
        ({"images": (IMAGES - np.float32(0.3)) / np.float32(0.2)}, STANDARDIZED),
        ({"images": np.rint(IMAGES * 255).astype(np.uint8)}, {}),
        ({"images": IMAGES.astype("f2")}, {}),
        ({"images": IMAGES + np.float32(0.3 / 255)}, {}),
        ({"labels": np.eye(10, dtype=np.float32)}, SOFT),
    ],
    ids=["permuted", "standardized", "rounded to 8 bits", "float16", "shifted by a third of a level", "soft labels"],
)
def test_a_set_of_somebody_else_in_another_form_is_4(
    stored: Path, tmp_path: Path, arrays: dict[str, Array], card: dict[str, Any]
) -> None:
    opened = Store(stored)
    digest = submission.submit(fine(tmp_path / "first"), opened).digest
    copied = fine(tmp_path / "copied")
    with_tensors(**arrays, card={"method": "mine-now", **card})(copied)
    text = check_refusal(copied, stored, "E604", 4, "card.json:method")
    assert f"set {digest[:12]}" in text and "'by-hand', in another order or form" in text


def test_soft_labels_of_no_stated_origin_are_4(stored: Path, tmp_path: Path) -> None:
    arrays = {"labels": np.eye(10, dtype=np.float32) * np.float32(0.91) + np.float32(0.009)}
    folder = fine(tmp_path / "my-set")
    with_tensors(**arrays, card={**SOFT, "label_origin": None})(folder)
    text = check_refusal(folder, stored, "E603", 4, "card.json:label_origin")
    assert '{"by": "method"}' in text
    told = fine(tmp_path / "told")
    with_tensors(**arrays, card={**SOFT, "label_origin": TEACHER})(told)
    assert submission.submit(told, Store(stored)).is_new


def test_a_teacher_that_learned_more_than_train_is_4(stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    with_card(label_origin=TEACHER | {"trained_on": "test"})(folder)
    check_refusal(folder, stored, "E603", 4, "card.json:label_origin.trained_on")


def test_a_set_that_only_resembles_another_is_taken(stored: Path, tmp_path: Path) -> None:
    submission.submit(fine(tmp_path / "first"), Store(stored))
    other = fine(tmp_path / "other")
    with_tensors(images=IMAGES * np.float32(0.98), card={"method": "mine"})(other)
    assert submission.submit(other, Store(stored)).is_new


@pytest.mark.parametrize("field", ["eval_seeds", "seeds", "recipe", "epochs", "optimizer", "best_of"])
def test_who_brings_an_evaluation_along_is_4(stored: Path, tmp_path: Path, field: str) -> None:
    folder = fine(tmp_path / "my-set")
    with_card(**{field: 3})(folder)
    check_refusal(folder, stored, "E606", 4, f"card.json:{field}")


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"licence": ...}, "E608", "card.json:licence"),
        ({"licence": ""}, "E608", "card.json:licence"),
        ({"licence": "  "}, "E608", "card.json:licence"),
        ({"method": "random-real"}, "E609", "card.json:method"),
        ({"method": "full-data"}, "E609", "card.json:method"),
        ({"method": "dm"}, "E609", "card.json:method"),
        ({"classes": list(range(10))}, "E610", "card.json:classes"),
    ],
)
def test_what_the_rules_refuse_is_4(
    stored: Path, tmp_path: Path, changes: dict[str, Any], code: str, where: str
) -> None:
    folder = fine(tmp_path / "my-set")
    with_card(**changes)(folder)
    check_refusal(folder, stored, code, 4, where)


def test_what_is_invalid_comes_before_what_the_rules_refuse(stored: Path, tmp_path: Path) -> None:
    folder = fine(tmp_path / "my-set")
    with_card(licence="", ipc=0)(folder)
    assert [line[:4] for line in check_refusal(folder, stored, "E608", 3).splitlines()] == ["E307", "E608"]
