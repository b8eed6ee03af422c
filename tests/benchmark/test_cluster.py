"""A real Dask cluster of two worker processes: the same rows, whatever travels, and whoever is killed."""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import socket
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import datasets, desk, engine, keys, parcels, registry
from benchmark.cluster import Cluster, _complaints, _with_gpu
from benchmark.desk import About, versions
from benchmark.engine.backends import floating_operations
from benchmark.engine.machine_code import Shape, forward_file
from benchmark.errors import EnvironmentFault, UsageError
from benchmark.plan import Job
from benchmark.recipe import Recipe
from benchmark.runner import Runner
from benchmark.store import Store
from benchmark.synthetic_set import SyntheticSet
from benchmark.tasks import Task
from benchmark.values import Budget, Cell, Data, Made, Probe, Real, Stage, Stored, Training
from tests.local_cluster import LocalCluster, started

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="Dask is not installed: pip install -e '.[dask]'"
)
RECIPE = 'summary = "for tests"\nsource = "here"\nepochs = 30\nn_seeds = 4\n'
MINE = '''"""One layer."""

import math

from torch import nn

from benchmark.architectures import Network, Shape

VERSION = 1


def build(shape: Shape, classes: int) -> Network:
    return Network(nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), WIDTH)), WIDTH, classes)
'''


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Two workers that declare a GPU each, and have a data root of their own."""
    folder = tmp_path_factory.mktemp("cluster")
    data = {"DISTILLBENCH_DATA": str(folder / "data")}
    with started(folder, 2, data, ("--resources", "GPU=1")) as found:
        yield found


@pytest.fixture
def plugins(tmp_path: Path, own_registry: None) -> Path:
    """A folder with the recipe `tiny`, where the workers see it too."""
    folder = tmp_path / "plugins"
    (folder / "recipes").mkdir(parents=True)
    (folder / "recipes" / "tiny.toml").write_text(RECIPE)
    registry.add_folder(folder)
    return folder


def jobs() -> list[Job]:
    options = (("architectures", ("mlp", "vgg11")),)
    made = [Made("random-real", "default", Real("digits"), Budget(ipc=1), seed) for seed in (0, 1, 2)]
    return [Job(one, "cross-architecture", "tiny", options) for one in made]


@needs_dask
@pytest.mark.slow
def test_sets_and_datasets_travel_to_workers_that_do_not_see_them(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own data and its store are nowhere that a worker looks; each is sent once, and used."""
    monkeypatch.setenv("DISTILLBENCH_DATA", str(tmp_path / "data"))
    digits, some = datasets.load("digits"), slice(None, None, 4)
    train, test = (
        (split.images[some].transpose(0, 2, 3, 1), split.labels[some]) for split in (digits.train, digits.test)
    )
    np.savez(tmp_path / "My own.npz", x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
    name = datasets.load(tmp_path / "My own.npz").facts.name
    store = Store(tmp_path / "store")
    made = Made("random-real", "default", Real(name), Budget(ipc=2), 0)
    digest = Runner(store, "cpu", workers=1).make([made])[made]
    training = Training((Stage(Data((Stored(digest),))),), "mlp", Recipe("short", epochs=2))
    cell = Cell(training, (0, 1, 2), (Probe("accuracy", Real(name, "test")),))
    sent: list[str] = []
    pool = Cluster(cluster.address, store, "cpu")
    monkeypatch.setattr(pool, "_run", replace(pool._run, root="/nowhere"))
    send = pool.client.run

    def count(function: Any, desk: str, parcel: str, *rest: Any, **named: Any) -> Any:
        sent.append(parcel)
        return send(function, desk, parcel, *rest, **named)

    monkeypatch.setattr(pool.client, "run", count)
    n_elsewhere = engine.run(engine.join([cell]), engine.Materials(store, torch.device("cpu")), workers=pool)
    pool.close()
    assert n_elsewhere == 0 and engine.missing(engine.join([cell]), store) == []
    assert set(sent) >= {f"set/{digest}", f"dataset/{name}"} and len(sent) <= 4
    assert (tmp_path / "data").exists() and list(Path(cluster.folder, "data", "own").iterdir())
    here = Store(tmp_path / "here")
    here.write_set(store.read_set(digest))
    engine.run(engine.join([cell]), engine.Materials(here, torch.device("cpu")))
    assert engine.outcomes(cell, here) == engine.outcomes(cell, store)


@needs_dask
@pytest.mark.slow
def test_with_a_worker_killed_the_rows_are_those_of_one_process(
    cluster: LocalCluster, plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, spread = Store(tmp_path / "alone"), Store(tmp_path / "spread")
    Runner(alone, "cpu", workers=1).evaluate(jobs())
    runner = Runner(spread, "auto", scheduler=cluster.address)
    assert isinstance(runner.workers, Cluster)
    taken_in = runner.workers._taken_in
    client, first = runner.workers.client, list[engine.Block]()
    address = next(where for where, pid in client.run(os.getpid).items() if pid == cluster.workers[0].pid)

    def kill_once(task: Any, item: Any, reply: Any) -> Any:
        if isinstance(item, engine.Block) and not first and client.processing(workers=[address])[address]:
            first.append(item)  # while it has a block in hand
            os.kill(cluster.workers[0].pid, signal.SIGKILL)
        return taken_in(task, item, reply)

    monkeypatch.setattr(runner.workers, "_taken_in", kill_once)
    report = runner.evaluate(jobs())
    assert cluster.workers[0].wait() == -signal.SIGKILL
    assert report.problems == [] and (report.n_made, report.n_trained) == (3, 24)
    for store in (alone, spread):
        store.collect()
    assert (alone.root / "results.csv").read_bytes() == (spread.root / "results.csv").read_bytes()
    assert list(spread.root.glob("locks/*")) == [] and list(spread.root.glob("tmp/*")) == []


@needs_dask
@pytest.mark.slow
def test_the_command_line_distils_on_the_worker_that_is_left(
    cluster: LocalCluster, command: Callable[..., Any], tmp_path: Path
) -> None:
    cluster.workers[0].kill()  # where no test before has done so in this process
    pool = Cluster(cluster.address, Store(tmp_path / "look"), "cpu")
    while len(pool._workers()) != 1:
        time.sleep(0.05)
    pool.close()
    asked = ["distill", "class-mean", "--dataset", "digits", "--ipc", "1", "--device", "cpu"]
    answer = command(*asked, "--store", tmp_path / "store", "--scheduler", cluster.address)
    assert answer.code == 0 and f"{cluster.address}: 1 workers" in answer.err
    assert Store(tmp_path / "store").set_digests() == [answer.out.strip()]


@needs_dask
def test_where_no_scheduler_answers_it_is_a_fault_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.cluster.CONNECT_SECONDS", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(EnvironmentFault, match=f"no Dask scheduler answers at {address}"):
            Cluster(address, Store(tmp_path))
    with pytest.raises(UsageError, match="it must be an address such as tcp://host:8786"):
        Cluster("carrier-pigeon://home", Store(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_the_message_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install -e '\.\[dask\]'"):
        Cluster("tcp://127.0.0.1:1", Store(tmp_path))


def test_a_worker_that_differs_is_named_once(own_registry: None) -> None:
    ours = versions()
    assert {"Python", "torch", "distillbench", "probe accuracy"} <= set(ours)
    about = About("desk", "tcp://w:1", 1, ours, ())
    assert list(_complaints(about, ours)) == []
    other = replace(about, n_threads=4, versions={**ours, "torch": "2.10.0"}, absent=("/mine",))
    said = list(_complaints(other, ours))
    assert len(said) == 3 and said[0].startswith(f"has torch 2.10.0, here it is {ours['torch']}")
    assert "no folder /mine of plug-ins" in said[1] and "--nthreads 1" in said[2]


def test_a_worker_that_cannot_keep_what_it_is_sent_is_not_asked_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    materials = engine.Materials(Store(tmp_path), torch.device("cpu"))
    about = About("desk", "tcp://w:1", 1, {}, ())
    full = desk._Desk(about, materials.store, materials, deque([("set/x", {})]))

    def refuse(*given: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(desk, "_desk", lambda run: full)
    monkeypatch.setattr(parcels, "unpack", refuse)
    work = pickle.dumps((None, None, ["set/x"]))
    first, second = (desk.carry_out(desk.Run("t", "cpu", "", "", ()), work) for _ in range(2))
    assert isinstance(first.fault, RuntimeError) and "no space left" in str(first.fault) and first.is_unfit
    assert second.lacks == ("set/x",)
    pool = object.__new__(Cluster)
    pool._sent = {("desk", "set/x"): 3}
    assert pool._lost(second, 4) and not pool._lost(second, 3)  # what was submitted before is asked for again


@pytest.mark.parametrize("fault", [OSError("no space left"), EnvironmentFault("no space left")])
def test_a_worker_whose_machine_is_at_fault_is_left_out_and_its_work_goes_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: Exception
) -> None:
    materials = engine.Materials(Store(tmp_path), torch.device("cpu"))
    about = About("desk", "tcp://w:1", 1, versions(), ())
    monkeypatch.setattr(desk, "_desk", lambda run: desk._Desk(about, materials.store, materials))
    reply = desk.carry_out(desk.Run("t", "cpu", "", "", ()), pickle.dumps((Task(fail), fault, [])))
    assert reply.is_unfit and "worker tcp://w:1: no space left" in str(reply.fault)

    pool, asked = _pool(("tcp://w:1", "tcp://w:2"))
    pool._again(Task(fail), None, reply, 1)
    pool._submit(Task(fail), None)
    assert all(one["workers"] == ["tcp://w:2"] and one["allow_other_workers"] for one in asked) and pool.n == 1
    assert capsys.readouterr().err.count("left out from here on") == 1
    other = replace(reply, about=replace(about, address="tcp://w:2"))
    with pytest.raises(EnvironmentFault, match=r"no worker left that can work.*no space left"):
        pool._again(Task(fail), None, other, 1)


def fail(materials: engine.Materials, fault: Exception) -> None:
    raise fault


def _pool(workers: tuple[str, ...], resources: Any = None, device: str = "cpu") -> tuple[Cluster, list[Any]]:
    """A cluster of workers that never answer, and the options of what is submitted to them."""
    pool, asked = object.__new__(Cluster), []
    pool.address, pool._run = "tcp://s:1", desk.Run("t", device, "", "", ())
    pool._known, pool._sent, pool._left_out, pool._n_submitted, pool._asks_for_gpu = set(), {}, set(), 0, False
    pool.store = Store("nowhere")
    info = {"workers": {address: {"resources": resources or {}} for address in workers}}
    pool.client = SimpleNamespace(
        submit=lambda *given, **options: asked.append(options), scheduler_info=lambda n_workers: info
    )
    return pool, asked


def test_one_gpu_is_asked_for_where_workers_declare_one_and_the_device_is_no_cpu() -> None:
    for device, resources in (("auto", {"GPU": 1}), ("cpu", None)):
        pool, asked = _pool(("tcp://w:1",), {"GPU": 1}, device)
        pool._submit(Task(fail), None)
        assert asked[0]["resources"] == resources


def test_where_the_only_gpu_refuses_to_work_the_work_goes_to_what_is_left() -> None:
    pool, asked = _pool(("tcp://w:1", "tcp://w:2"), device="auto")
    pool._all_workers()["tcp://w:1"]["resources"] = {"GPU": 1}
    pool._submit(Task(fail), None)
    about = About("desk", "tcp://w:1", 1, versions(), ())
    pool._again(Task(fail), None, desk.Reply(about, fault=RuntimeError("lost"), is_unfit=True), 1)
    assert [one["resources"] for one in asked] == [{"GPU": 1}, None]
    assert asked[1]["workers"] == ["tcp://w:2"]


def test_only_workers_that_declare_a_gpu_count_where_one_does() -> None:
    workers = {"a": {"resources": {}}, "b": {"resources": {"GPU": 1.0}}, "c": {"resources": {"memory": 3}}}
    assert set(_with_gpu(workers)) == {"b"}


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Iterator[Path]:
    """Takes this process for a worker without a desk; gives its folder."""
    folder = tmp_path / "worker"
    here = SimpleNamespace(address="tcp://w:1", local_directory=str(folder), state=SimpleNamespace(nthreads=1))
    dask: Any = SimpleNamespace(get_worker=lambda: here)
    monkeypatch.setitem(sys.modules, "distributed", dask)
    for name, empty in (("_desks", OrderedDict()), ("_searched", ""), ("_architectures", {})):
        monkeypatch.setattr(desk, name, empty)
    yield folder
    desk._forget_networks()


def ask(token: str, *plugins: Path) -> str:
    """Have work of a run refused for what it lacks; gives the desk that answers."""
    run = desk.Run(token, "cpu", "/nowhere", "mark", tuple(str(folder) for folder in plugins))
    return desk.carry_out(run, pickle.dumps((None, None, [f"set/{'f' * 64}"]))).about.desk


def test_of_several_clients_each_finds_its_desk_again_and_what_was_not_used_longest_goes(worker: Path) -> None:
    desks = {token: ask(token) for token in "abcdefgh"}
    assert {token: ask(token) for token in "abcdefgh"} == desks  # none has put another off
    assert ask("a") == desks["a"]
    ask("new")
    assert sorted(place.name[-1] for place in worker.iterdir()) == sorted("acdefgh" + "w")
    assert ask("a") == desks["a"] and ask("b") != desks["b"]


def test_only_the_runs_of_late_keep_their_data_in_memory(worker: Path) -> None:
    loaded: dict[str, engine.Materials] = {}
    for token in "abc":
        ask(token)
        loaded[token] = desk._desks["tcp://w:1", token].materials
    held = {token: desk._desks["tcp://w:1", token].materials is loaded[token] for token in "abc"}
    assert held == {"a": False, "b": True, "c": True}


def test_a_run_sees_its_own_plug_ins_and_not_those_of_another(worker: Path, tmp_path: Path) -> None:
    """Nor does what the engine knows by a name go on to a run in which the name means another network."""
    folders = {name: tmp_path / name for name in ("small", "large")}
    for (name, folder), width in zip(folders.items(), (2, 200), strict=True):
        (folder / "architectures").mkdir(parents=True)
        (folder / "architectures" / "mine.py").write_text(MINE.replace("WIDTH", str(width)), encoding="utf-8")
        (folder / "architectures" / f"{name}.py").write_text(MINE.replace("WIDTH", "1"), encoding="utf-8")
    shape = Shape("mine", (1, 8, 8), 10, "float32", "cpu", 1)
    seen: dict[str, tuple[float, Path]] = {}
    for name in ("small", "large", "small"):
        ask(name, folders[name])
        assert {"small", "large"} & set(registry.names("architecture")) == {name}
        found = floating_operations("mine", shape.images, 10), forward_file(shape)
        assert seen.setdefault(name, found) == found
    assert len({operations for operations, _ in seen.values()}) == len({file for _, file in seen.values()}) == 2
    ask("none", tmp_path / "gone")
    assert "mine" not in registry.names("architecture")


def test_claims_of_training_cover_all_probes(make_set: Callable[..., SyntheticSet], tmp_path: Path) -> None:
    from benchmark.engine.tasks import TRAIN

    store = Store(tmp_path)
    training = Training((Stage(Data((Stored(store.write_set(make_set())),))),), "mlp", Recipe("short", epochs=1))
    probes = (Probe("accuracy", Real("digits", "test")), Probe("losses", Real("digits")))
    blocks = [engine.Block(training, seed, some) for seed, some in ((0, probes), (0, probes[:1]), (1, probes))]
    assert TRAIN.claim is not None and TRAIN.needs is not None
    names = [TRAIN.claim(block) for block in blocks]
    assert names[0] == names[1] == f"{keys.training_key(training)}-0" != names[2]
    assert TRAIN.needs(store, blocks[0]) == ["dataset/digits", f"set/{store.set_digests()[0]}"]


def test_a_way_that_a_worker_s_own_table_lacks_is_eager_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.engine import backends
    from benchmark.engine.tasks import TRAIN

    training = Training((Stage(Data((Real("digits"),))),), "mlp", Recipe("short", epochs=1))
    block = engine.Block(training, 0, (), engine.Way("compiled", "bfloat16", True))
    materials = engine.Materials(Store(tmp_path), torch.device("cpu"))
    assert TRAIN.adapt is not None
    eager = engine.Way("eager", "float32", True)
    monkeypatch.setattr("benchmark.engine.compiler.why_not", lambda kind: "no graphs" if kind == "recorded" else "")
    monkeypatch.setattr(backends, "device_kind", lambda device: "cpu-bf16")
    fast = backends.Rule("cpu-bf16", "mlp", True, "bfloat16", 1e9, 3.0)
    slow = backends.Rule("cpu-bf16", "mlp", True, "float32", 1e3, 2.0)
    for lines, asked, found in (
        ([fast], block.way, block.way),
        ([fast, slow], replace(block.way, precision="float32"), replace(block.way, precision="float32")),
        ([slow], block.way, eager),
        ([], block.way, eager),
        ([fast], eager, eager),
        ([replace(fast, backend="recorded")], replace(block.way, backend="recorded"), eager),
    ):
        monkeypatch.setattr(backends, "rules", lambda lines=lines: tuple(lines))
        backends._refused.cache_clear()
        assert TRAIN.adapt(materials, replace(block, way=asked)).way == found
    backends._refused.cache_clear()
