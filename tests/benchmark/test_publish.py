"""What is published can be read by the hub and taken in again, whatever a stranger's card says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmark import publish
from benchmark.errors import EnvironmentFault, UsageError
from benchmark.readme import front_matter, readme
from benchmark.space import Space
from benchmark.store import Store
from benchmark.submission import read_set_folder
from benchmark.synthetic_set import Decoder, SyntheticSet

SetMaker = Callable[..., SyntheticSet]
FolderMaker = Callable[..., Path]
Command = Callable[..., Any]
HOSTILE = (
    'x"\n---\nlicense: "mit',
    "a: b # c",
    "- item",
    "!!python/object/apply:os.system ['true']",
    "{{ evil }} &a *a | > % @ `",
    "it's 'quoted' \\ and \\n",
    "line\u2028separator\u0085and\ufffenothing\u0000",
    "emoji \U0001f600 déjà vu 数据",
    "...",
    "null",
)


def parsed(synthetic: SyntheticSet) -> dict[str, Any]:
    """The front matter as a YAML reader sees it."""
    yaml = pytest.importorskip("yaml")
    text = readme(synthetic)
    assert text.startswith("---\n")
    found: dict[str, Any] = yaml.safe_load(text[4:].partition("\n---\n")[0])
    return found


def test_the_front_matter_is_what_the_hub_reads(make_set: SetMaker) -> None:
    synthetic = make_set(title="My method (2026)", licence="CC BY 4.0")
    assert front_matter(synthetic) == (
        '---\npretty_name: "My method (2026)"\nlicense: "cc-by-4.0"\ntags:\n- "dataset-distillation"\n'
        '- "distillbench"\n- "digits"\n- "by-hand"\n- "hard-labels"\ntask_categories:\n- "image-classification"\n'
        'size_categories:\n- "n<1K"\nsource_datasets:\n- "extended|digits"\n---\n'
    )
    assert parsed(synthetic)["license"] == "cc-by-4.0"


@pytest.mark.parametrize(
    ("licence", "fields"),
    [
        ("", {"license": "unknown"}),
        ("MIT", {"license": "mit"}),
        ("Ask me: nicely", {"license": "other", "license_name": "ask-me-nicely"}),
        ("数据", {"license": "other", "license_name": "own"}),
    ],
)
def test_licences_become_those_of_the_hub(make_set: SetMaker, licence: str, fields: dict[str, str]) -> None:
    found = parsed(make_set(licence=licence))
    assert {name: value for name, value in found.items() if name.startswith("license")} == fields


def test_sizes_are_those_of_the_stored_images(make_set: SetMaker) -> None:
    assert parsed(make_set(per_class=100))["size_categories"] == ["1K<n<10K"]
    assert parsed(make_set(per_class=99))["size_categories"] == ["n<1K"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_card_adds_a_field_or_markup(make_set: SetMaker, text: str) -> None:
    plain = parsed(make_set(title="t", licence="own"))
    synthetic = make_set(title=text, licence=text, contributor=text, notes=text, citation=text)
    found = parsed(synthetic)
    assert found["pretty_name"] == text
    assert set(found) == set(plain) and found["tags"] == plain["tags"]


def test_texts_in_the_page_are_no_markup(make_set: SetMaker) -> None:
    evil = "<img src=x onerror=alert(1)> [a](javascript:b) @someone | `c` https://e.org"
    synthetic = make_set(title=evil, contributor=evil, notes=f"{evil}\n# heading", citation="```\n</pre>")
    page = readme(synthetic).partition("\n---\n")[2]
    text = [line for line in page.splitlines() if not line.startswith("    ")]
    assert not [line for line in text if "<img" in line or "](j" in line or "@" in line or "//e" in line]
    assert "    # heading" in page.splitlines() and "    </pre>" in page.splitlines()
    assert "&#60;img" in page


def test_the_page_says_what_the_set_is(make_set: SetMaker) -> None:
    space = Space("standardized", (0.305205,), (0.376097,))
    synthetic = make_set(space=space, source="https://example.org/x", decoder=Decoder())
    page = readme(synthetic)
    for part in ("mean 0.305205, std 0.376097", "2,570", synthetic.digest, "<https://example.org/x>", "class ids"):
        assert part in page
    assert "not stated: ask before you use it" in page


def test_a_published_folder_is_submitted_again_and_is_never_overwritten(make_set: SetMaker, tmp_path: Path) -> None:
    synthetic = make_set(title="Again")
    place = publish.to_folder(synthetic, tmp_path / "release")
    assert {file.name for file in place.iterdir()} == {"README.md", "card.json", "preview.png", "tensors.safetensors"}
    again = read_set_folder(place)
    assert again.digest == synthetic.digest and again.card == synthetic.card
    with pytest.raises(UsageError, match="release exists already"):
        publish.to_folder(synthetic, place)
    assert [file.name for file in tmp_path.iterdir()] == ["release"]


def test_a_set_of_indices_is_published_without_a_picture(make_set: SetMaker) -> None:
    tensors = {"indices": np.arange(10), "labels": np.arange(10)}
    files = publish.files_of(make_set(tensors=tensors, decoder=Decoder("indices")))
    assert "preview.png" not in files and b"numbers of real images" in files["README.md"]


class Hub:
    """Stands in for huggingface_hub.HfApi."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault, self.calls, self.files = fault, list[Any](), dict[str, bytes]()

    def create_repo(self, repo_id: str, **named: Any) -> None:
        self.calls.append((repo_id, named))

    def upload_folder(self, folder_path: str, **named: Any) -> None:
        self.calls.append(named)
        self.files = {file.name: file.read_bytes() for file in Path(folder_path).iterdir()}
        if self.fault:
            raise self.fault


def test_the_hub_gets_the_same_files(make_set: SetMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, synthetic = Hub(), make_set()
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(HfApi=lambda: hub))
    assert publish.to_hub(synthetic, "me/my-set") == "https://huggingface.co/datasets/me/my-set"
    assert hub.files == publish.files_of(synthetic)
    assert hub.calls[0] == ("me/my-set", {"repo_type": "dataset", "exist_ok": True})
    assert hub.calls[1]["repo_id"] == "me/my-set" and hub.calls[1]["repo_type"] == "dataset"


def test_a_hub_that_refuses_and_a_missing_extra_are_told(make_set: SetMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(ConnectionError("401\nUnauthorized"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(HfApi=lambda: hub))
    with pytest.raises(EnvironmentFault, match=r"ConnectionError: 401 Unauthorized\)\. Fix: log in"):
        publish.to_hub(make_set(), "me/my-set")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(EnvironmentFault, match=r"Fix: pip install 'distillbench\[hub\]'"):
        publish.to_hub(make_set(), "me/my-set")
    for name in ("my-set", "../x/y", "a/b/c", "me/", "me/x y"):
        with pytest.raises(UsageError, match=r"is no repository\. Write OWNER/NAME"):
            publish.to_hub(make_set(), name)


def test_publish_takes_a_stored_set_or_a_folder(
    command: Command, set_folder: FolderMaker, make_set: SetMaker, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    digest = store.write_set(make_set(licence="MIT"))
    stored = command("publish", digest[:8], "--to", tmp_path / "one", "--store", store.root)
    assert (stored.code, stored.out.strip(), stored.err) == (0, str(tmp_path / "one"), "")
    folder = command("publish", set_folder(licence=""), "--to", tmp_path / "two", "--store", store.root)
    assert folder.code == 0 and "states no licence" in folder.err
    assert command("publish", digest[:8], "--store", store.root).code == 2
    assert command("publish", "ffffffff", "--to", tmp_path / "three", "--store", store.root).code == 3
