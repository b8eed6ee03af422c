"""What the page of one set states, and the commands that make and score it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from benchmark.cli import cli
from leaderboard.entries import Entry, entries
from leaderboard.sources import read, rows_of
from tests.leaderboard.conftest import FakeStore, card_of

Make = Callable[[str], FakeStore]


def entry_of(store: FakeStore) -> Entry:
    source = read([store.write()])
    [found] = entries(rows_of(source.results), source)
    return found


def one(fake_store: Make, card: dict[str, Any], **row: Any) -> Entry:
    store = fake_store("store")
    store.add_row(**{"set": store.add_set(card), "ipc": card["ipc"], "distil_seed": card["distil_seed"], **row})
    return entry_of(store)


def test_facts_are_read_from_the_card(fake_store: Make) -> None:
    space = {"kind": "standardized", "mean": [0.5, 0.25], "std": [0.1, 0.2]}
    decoder = {"name": "multi-formation", "version": 2, "options": {"factor": 2}}
    found = one(fake_store, card_of("dm", 10, 3, space=space, decoder=decoder))
    facts = {fact.label: fact.text for fact in found.facts}
    assert facts["Value space"] == "standardized; mean 0.5, 0.25; std 0.1, 0.2"
    assert facts["Decoder"] == "multi-formation; options {'factor': 2}; version 2"
    assert facts["Cost"] == "device cpu; image passes 320000; seconds 12.5"
    assert facts["Licence"] == "Apache-2.0"
    assert "Notes" not in facts  # an empty field is left out


def test_a_web_link_can_be_followed(fake_store: Make) -> None:
    url = "https://example.org/paper"
    assert [fact.url for fact in one(fake_store, card_of("dm", 1, 0, source=url)).facts if fact.label == "Source"] == [
        url
    ]


def test_another_link_is_text(fake_store: Make) -> None:
    found = one(fake_store, card_of("dm", 1, 0, source="javascript:alert(1)"))
    assert [(fact.text, fact.url) for fact in found.facts if fact.label == "Source"] == [("javascript:alert(1)", None)]


def test_the_commands_make_and_score_the_set_again(fake_store: Make) -> None:
    found = one(fake_store, card_of("dm", 10, 3, distilled_on="train-minus-holdout"))
    assert found.commands == (
        "distillbench distill dm --dataset digits --ipc 10 --preset lite --seed 3 --holdout",
        f"distillbench evaluate {found.digest[:12]} --evaluator cross-architecture --recipe standard-v1-lite"
        " --architecture convnet",
    )


def test_the_command_line_knows_the_options_that_the_commands_use(fake_store: Make) -> None:
    for command in one(fake_store, card_of("dm", 10, 3, distilled_on="train-minus-holdout")).commands:
        verb, *words = command.split()[1:]
        shown = CliRunner().invoke(cli, [verb, "--help"]).output
        assert [word for word in words if word.startswith("--") and word not in shown] == []


def test_a_quick_form_on_two_architectures_is_asked_for_by_its_option(fake_store: Make) -> None:
    row = {"evaluator": "protocol-sensitivity/quick", "architecture": "convnet:width=64 + mlp", "condition": "sgd"}
    assert (
        one(fake_store, card_of("dm", 10, 3), **row)
        .commands[1]
        .endswith(
            " --evaluator protocol-sensitivity --recipe standard-v1-lite"
            " --architecture convnet:width=64 --architecture mlp --quick"
        )
    )


def test_full_data_has_no_size(fake_store: Make) -> None:
    row = {"method": "full-data", "recipe": "standard-v1-lite/reference"}
    found = one(fake_store, card_of("full-data", None, 0, preset="default"), **row)
    assert found.commands[0] == "distillbench distill full-data --dataset digits --preset default --seed 0"
    assert "--recipe standard-v1-lite --arch" in found.commands[1]


@pytest.mark.parametrize("field", [{"contributor": "Somebody"}, {"preset": ""}, {"distilled_on": "train-half-00"}])
def test_what_no_option_can_make_again_is_only_scored_again(fake_store: Make, field: dict[str, Any]) -> None:
    assert [line.split()[1] for line in one(fake_store, card_of("dm", 1, 0, **field)).commands] == ["evaluate"]


@pytest.mark.parametrize("name", ["dm; rm -rf ~", "$(reboot)", "`id`", "--plugins=/tmp", "a\nb"])
def test_words_that_a_shell_would_run_are_in_no_command(fake_store: Make, name: str) -> None:
    made = {"method": name, "dataset": name, "recipe": name, "evaluator": name}
    assert one(fake_store, card_of(name, 1, 0, preset=name), **made).commands == ()


def test_a_set_without_a_card_has_no_facts(fake_store: Make) -> None:
    store = fake_store("store")
    store.add_row()
    found = entry_of(store)
    assert (found.card, found.facts, found.preview) == (None, (), None)


def test_methods_that_gave_one_set_share_its_page(fake_store: Make) -> None:
    store = fake_store("store")
    digest = store.add_set(card_of("class-mean", 1, 0))
    for method in ("k-means", "class-mean"):
        for seed in range(3):
            store.add_row(set=digest, method=method, seed=seed, distil_seed=2 if method == "k-means" else 0)
    found = entry_of(store)
    assert (found.methods, found.seeds) == (("class-mean", "k-means"), (0, 2))
    [[score]] = [block.scores for block in found.blocks]
    assert (score.cell.interval.n, len(found.rows)) == (3, 3)


def test_a_page_tells_how_the_set_is_labelled_not_how_a_recipe_labels_it(fake_store: Make) -> None:
    for recipes in (("a-taught", "b-plain"), ("a-taught",)):
        store = fake_store("-".join(recipes))
        digest = store.add_set(card_of("class-mean", 1, 0))
        for name in recipes:
            store.add_row(set=digest, method="class-mean", recipe=name, track="teacher" if "taught" in name else "hard")
        assert entry_of(store).row.track == ("hard" if "b-plain" in recipes else "teacher")
