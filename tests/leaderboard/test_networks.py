"""Networks of `nas-proxy` one by one: paired by number, and drawn on the page of the set."""

from __future__ import annotations

from pathlib import Path

import leaderboard
from leaderboard.networks import networks
from leaderboard.sources import read, rows_of
from tests.leaderboard.conftest import FakeStore, card_of
from tests.leaderboard.reading import read_page

RHO = {"spearman": 0.5, "spearman_low": 0.25, "spearman_high": 0.75}
FULL, SHORT = {1: 90.0, 2: 95.0, 10: 80.0}, {1: 60.0, 2: 55.0, 10: None}
"""Percent by number of the network; the last diverged on the set."""


def ranked(root: Path) -> tuple[Path, str]:
    """A store with one set by which networks were ranked."""
    fake = FakeStore(root)
    digest = fake.add_set(card_of("dm", 1, 0))
    fake.add_row(set=digest)
    shared = {"set": digest, "architecture": "space", "evaluator": "nas-proxy/quick", "seed": None}
    for metric, value in RHO.items():
        fake.add_row(**shared, condition="subject", metric=metric, unit="rho", value=value)
        fake.add_row(**shared, condition="random-real", metric=metric, unit="rho", value=0.1)
    for name, values in (("truth", FULL), ("accuracy", SHORT)):
        for k, number in values.items():
            status = {} if number is not None else {"status": "failed", "value": float("nan")}
            fake.add_row(**shared, condition="subject", metric=f"network_{name}_{k}", **{"value": number, **status})
    return fake.write(), digest


def test_networks_are_paired_by_number_and_a_diverged_one_is_left_out(tmp_path: Path) -> None:
    store, digest = ranked(tmp_path / "store")
    ((one,),) = networks(rows_of(read([store]).results)).values()
    assert (one.set, one.space) == (digest, "space")
    assert one.networks == ((1, 90.0, 60.0), (2, 95.0, 55.0))
    assert one.rho == (0.5, 0.25, 0.75)


def test_the_page_of_the_set_shows_them_with_rho_and_its_interval(tmp_path: Path) -> None:
    store, digest = ranked(tmp_path / "store")
    site = leaderboard.build([store], tmp_path / "site").index.parent
    page = read_page(site / "entry" / f"{digest}.html")
    [figure] = [image["src"] for image in page.all("img") if "networks-" in image["src"]]
    drawn = (page.path.parent / figure).read_text(encoding="utf-8")
    assert "60.00 at 90; 55.00 at 95" in drawn
    assert "rho 0.50, 95 % interval 0.25 to 0.75" in page.text


def test_numbers_beyond_all_measure_are_errors_and_the_site_is_built_without_them(tmp_path: Path) -> None:
    fake = FakeStore(tmp_path / "store")
    digest = fake.add_set(card_of("dm", 1, 0))
    fake.add_row(set=digest)
    shared = {
        "set": digest,
        "architecture": "space",
        "evaluator": "nas-proxy/quick",
        "seed": None,
        "condition": "subject",
    }
    for k, (full, short) in enumerate([(90.0, 60.0), (80.0, 50.0), (1e308, -1e308)], 1):
        fake.add_row(**shared, metric=f"network_truth_{k}", value=full)
        fake.add_row(**shared, metric=f"network_accuracy_{k}", value=short)
    for metric, value in {"spearman": 1e308, "spearman_low": -1e308, "spearman_high": 1e308}.items():
        fake.add_row(**shared, metric=metric, unit="rho", value=value)
    store = fake.write()
    ((one,),) = networks(rows_of(read([store]).results)).values()
    assert [k for k, *_ in one.networks] == [1, 2] and one.rho == ()
    site = leaderboard.build([store], tmp_path / "site").index.parent
    assert "80.00" in read_page(site / "entry" / f"{digest}.html").text
