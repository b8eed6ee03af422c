"""A site of 10,000 results and 1,000 entries: build, build again, change one row; and its explorer in a browser."""

from __future__ import annotations

import gzip
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import leaderboard
from tests.evidence.bench import Bench, Finding, NotHere
from tests.leaderboard.browser import BROWSER, Reader, launched
from tests.leaderboard.conftest import FakeStore, card_of, png

BAR = (
    "10,000 results, 1,000 entries: build <= 90 s on 2 cores, incremental <= 10 s, byte-identical twice; "
    "explorer ready <= 0.5 s, sort or filter <= 100 ms, <= 5,000 DOM nodes, its data <= 300 KiB compressed"
)
DATASETS = {"digits": 8, "mnist": 28, "cifar10": 32, "cifar100": 32}
REPEATS = 5
SEARCH = "search.value = 'method-1 resnet'; search.dispatchEvent(new Event('input'))"
ACTIONS = {
    "sort": "document.querySelectorAll('#rows th button')[8].click()",
    "filter": "document.querySelector('.facet input').click()",
    "search": f"const search = document.getElementById('search'); {SEARCH}",
    "page": "document.querySelectorAll('#pager button')[2].click()",
}
TIMED = "(() => {{ const t = performance.now(); {}; document.body.offsetHeight; return performance.now() - t; }})()"


def scale_store(root: Path, n_methods: int = 28) -> FakeStore:
    """Four datasets, three sizes, three sets a method, two architectures, five seeds: 28 methods give 10,080 rows."""
    store, draw = FakeStore(root), random.Random(7)
    for dataset, side in DATASETS.items():
        for ipc in (1, 10, 50):
            for k in range(n_methods):
                level = 40 + draw.random() * 30
                for distil_seed in range(3):
                    _add_set(store, draw, (dataset, ipc, f"method-{k:02}", distil_seed), level, ipc * 10 * side * side)
        shared = {"dataset": dataset, "method": "full-data", "set": f"{side:064x}", "ipc": None}
        store.add_row(**shared, recipe="standard-v1-lite/reference", value=95.0)
    return store


def _add_set(store: FakeStore, draw: random.Random, key: tuple[str, int, str, int], level: float, n_bytes: int) -> None:
    dataset, ipc, method, distil_seed = key
    card = card_of(method, ipc, distil_seed, dataset=dataset, title=f"{method} of group {draw.random():.6f}")
    shared = {"dataset": dataset, "ipc": ipc, "method": method, "distil_seed": distil_seed, "bytes": n_bytes}
    shared["set"] = store.add_set(card, png(120, 96, draw))
    for architecture in ("convnet", "resnet18"):
        for seed in range(5):
            store.add_row(**shared, architecture=architecture, seed=seed, value=round(level + draw.gauss(0, 0.6), 2))


def measure(bench: Bench) -> Finding:
    """Build in a temporary folder, and open the explorer."""
    if BROWSER is None:
        raise NotHere("needs Chromium or Chrome")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = scale_store(root / "store")
        value: dict[str, Any] = {"results": len(store.rows), "entries": len(list((root / "store" / "sets").iterdir()))}
        value["build_seconds"] = _built(store, root / "site")
        value["build_again_seconds"] = _built(store, root / "twin")
        value["identical"] = _content(root / "site") == _content(root / "twin")
        value["unchanged_seconds"] = _built(store, root / "site")
        store.rows[0]["value"] = 12.34
        value["one_row_changed_seconds"] = _built(store, root / "site")
        data = (root / "site" / "data" / "explorer.js").read_bytes()
        value["explorer_data_kib"] = round(len(gzip.compress(data, 9)) / 1024, 1)
        value |= _explored(root / "site")
    incremental = max(value["unchanged_seconds"], value["one_row_changed_seconds"])
    passed = (
        value["build_seconds"] <= 90
        and incremental <= 10
        and value["identical"]
        and value["explorer_ready_seconds"] <= 0.5
        and max(value[f"explorer_{name}_ms"] for name in ACTIONS) <= 100
        and value["explorer_nodes"] <= 5000
        and value["explorer_data_kib"] <= 300
    )
    spread = f"explorer: median of {REPEATS}; builds: once each"
    details = {"cores": os.cpu_count(), "load_average": os.getloadavg()[0]}
    return Finding(BAR, bool(passed), value, "1 site, built twice from nothing", spread, details)


def _built(store: FakeStore, out: Path) -> float:
    store.write()
    began = time.perf_counter()
    leaderboard.build([store.root], out)
    return round(time.perf_counter() - began, 2)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _explored(site: Path) -> dict[str, Any]:
    """Time until the explorer is ready, and of each action until its rows are laid out."""
    ready: list[float] = []
    actions: dict[str, list[float]] = {name: [] for name in ACTIONS}
    with launched() as browser:
        reader = Reader(browser)
        for _ in range(REPEATS):
            page = reader.open((site / "explore.html").as_uri()).page
            ready.append(float(page.evaluate("document.documentElement.dataset.ready")) / 1000)
            nodes = page.evaluate("document.querySelectorAll('*').length")
            for name, action in ACTIONS.items():
                actions[name].append(page.evaluate(TIMED.format(action)))
    found: dict[str, Any] = {"explorer_ready_seconds": round(statistics.median(ready), 3), "explorer_nodes": nodes}
    return found | {f"explorer_{name}_ms": round(statistics.median(took), 1) for name, took in actions.items()}
