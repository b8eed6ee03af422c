"""Worker processes: what they give back, what happens when one dies or is orphaned, and whose work is whose."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import datasets, tasks
from benchmark.engine import Materials, every_device
from benchmark.errors import EnvironmentFault, TrainingDiverged
from benchmark.store import Store
from benchmark.tasks import Task
from benchmark.workers import Threads, Workers, affordable, bytes_for, cores

ORPHANS = """
import os, sys, time
import torch
from benchmark.engine import Materials
from benchmark.store import Store
from benchmark.workers import Workers

if __name__ == "__main__":
    workers = Workers(2, Materials(Store(sys.argv[1]), torch.device("cpu")))
    pool = workers._started()
    print(*[pool.submit(os.getpid).result() for _ in range(2)], flush=True)
    time.sleep(60)
"""


HOLDER = """
import sys, time
from benchmark.store import Store

with Store(sys.argv[1]).claim(sys.argv[2]) as is_mine:
    print(is_mine, flush=True)
    time.sleep(60)
"""


def name_of(item: Any) -> str:
    return f"work-{item}"


def task(run: Any) -> Task[Any, Any]:
    return Task(run, name_of)


def double(materials: Materials, number: int) -> tuple[int, int]:
    if number == 3:
        raise TrainingDiverged("three")
    return 2 * number, torch.get_num_threads()


def meet(materials: Materials, number: int) -> tuple[int, int]:
    """Wait until another is at work too."""
    return os.getpid(), device_of(materials, number)[1]


class Odd(Exception):
    """Cannot be built again from its text, as a pool does with what it is sent."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one + other)


def raise_what_cannot_travel(materials: Materials, number: int) -> None:
    class Local(Exception):
        pass

    raise Odd("no ", "centres") if number else Local("no centres")


def die_in_a_worker(materials: Materials, parent: int) -> int:
    if os.getpid() != abs(parent):
        os._exit(9)
    return parent


def die_of_nothing(materials: Materials, number: int) -> int:
    """Numbers up to 0 take the whole process with them, whichever it is."""
    if number <= 0:
        os._exit(9)
    time.sleep(0.1)
    return number


def find_no_memory_at_first(materials: Materials, number: int) -> int:
    first = materials.store.root / f"tried-{number}"
    if number > 1 and not (first.exists() and number == 2):
        first.touch()
        raise RuntimeError("CUDA out of memory")
    return number


def die_once(materials: Materials, number: int) -> int:
    """Number 0 kills its worker once another has finished something; the others take a while."""
    first, done = materials.store.root / "first", materials.store.root / "done"
    if number == 0 and not first.exists():
        first.touch()
        while not done.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    done.touch()
    return os.getpid()


def device_of(materials: Materials, number: int) -> tuple[str, int]:
    (materials.store.root / f"at-work-{number}").touch()
    while len(list(materials.store.root.glob("at-work-*"))) < 2:  # so no worker does both
        time.sleep(0.01)
    return str(materials.device), torch.get_num_threads()


def write_down(materials: Materials, number: int) -> int:
    (materials.store.root / f"done-{number}").touch()
    return number


def take_a_minute(materials: Materials, number: int) -> None:
    (materials.store.root / "at-work").touch()
    time.sleep(60)


def take_a_second(materials: Materials, number: int) -> int:
    time.sleep(1)
    return write_down(materials, number)


def is_written(store: Store, number: int) -> bool:
    return (store.root / f"done-{number}").exists()


def materials(folder: Path) -> Materials:
    return Materials(Store(folder), torch.device("cpu"))


def test_threads_work_side_by_side_in_this_process_and_tell_what_each_raised(tmp_path: Path) -> None:
    threads = Threads(2, materials(tmp_path))
    assert {result[0] for _, result, _ in threads.map(task(meet), [1, 2])} == {os.getpid()}  # type: ignore[index]
    found = {item: (result and result[0], fault) for item, result, fault in threads.map(task(double), [1, 2, 3])}
    assert found[1] == (2, None) and found[2] == (4, None)
    assert found[3][0] is None and isinstance(found[3][1], TrainingDiverged)


def test_workers_that_are_stopped_at_once_do_nothing_more(tmp_path: Path) -> None:
    workers = Workers(2, materials(tmp_path))
    queue = workers.map(task(take_a_second), range(100))
    next(queue)
    started = time.monotonic()
    workers.close(at_once=True)
    assert time.monotonic() - started < 1
    for process in multiprocessing.active_children():
        process.join(10)
    n_done = len(list(tmp_path.glob("done-*")))
    time.sleep(1.5)
    assert not multiprocessing.active_children() and n_done <= 4
    assert len(list(tmp_path.glob("done-*"))) == n_done


def test_threads_that_are_left_early_begin_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = Threads(1, materials(tmp_path)).map(task(take_a_second), range(50))
    next(one)
    one.close()
    assert len(list(tmp_path.glob("done-*"))) == 2  # what was done, and what was begun
    assert "finishing what is begun" in capsys.readouterr().err


def test_results_and_faults_come_back_with_their_items(tmp_path: Path) -> None:
    workers = Workers(2, materials(tmp_path))
    found = {item: (result, fault) for item, result, fault in workers.map(task(double), [1, 2, 3])}
    workers.close()
    assert found[1] == ((2, 1), None) and found[2] == ((4, 1), None)
    assert found[3][0] is None and isinstance(found[3][1], TrainingDiverged)


def test_a_fault_of_a_plug_in_s_own_class_comes_back_in_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    workers = Workers(2, materials(tmp_path))
    faults = [str(fault) for *_, fault in workers.map(task(raise_what_cannot_travel), [0, 1])]
    workers.close()
    assert sorted(faults) == ["Local: no centres", "Odd: no centres"]
    assert "died" not in capfd.readouterr().err


def test_one_worker_is_this_process(tmp_path: Path) -> None:
    workers = Workers(1, materials(tmp_path))
    assert [result for _, result, _ in workers.map(task(die_in_a_worker), [os.getpid()])] == [os.getpid()]
    assert workers._pool is None


def test_what_kills_its_worker_costs_itself_alone(tmp_path: Path) -> None:
    workers = Workers(2, materials(tmp_path))
    found = {item: (result, fault) for item, result, fault in workers.map(task(die_of_nothing), [0, 1, -1])}
    workers.close()
    assert found[1] == (1, None)
    assert all("the process that did it died" in str(found[killer][1]) for killer in (0, -1))


def test_workers_that_cannot_begin_are_a_fault_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.workers._start", os.abort)
    workers = Workers(2, materials(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"cannot start here.*__name__"):
        list(workers.map(task(double), [1, 2]))


def test_what_is_done_again_can_be_stopped_at_once_too(tmp_path: Path) -> None:
    workers, found = Workers(2, materials(tmp_path)), list[Any]()
    again = threading.Thread(target=lambda: found.extend(workers._again(task(take_a_minute), [1])))
    again.start()
    while not (tmp_path / "at-work").exists():
        time.sleep(0.05)
    workers.close(at_once=True)
    again.join(20)
    assert not again.is_alive() and "died" in str(found[0][2])


def test_what_finds_no_memory_beside_others_is_done_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, several in (("processes", Workers), ("threads", Threads)):
        (tmp_path / place).mkdir()
        workers = several(2, materials(tmp_path / place))
        found = {item: (result, fault) for item, result, fault in workers.map(task(find_no_memory_at_first), [1, 2, 3])}
        workers.close()
        assert {item: result for item, (result, _) in found.items()} == {1: 1, 2: 2, 3: None}
        assert "out of memory" in str(found[3][1])  # nor alone
    assert "2 pieces of work found no memory beside others" in capsys.readouterr().err


def test_there_are_no_more_workers_than_memory_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr("benchmark.workers.CONTROL_GROUP", limit)
    assert affordable(3, 1) == 3
    for text, n in ((f"{5 * 2**20}\n", 2), (f"{2**20}\n", 1), ("max\n", 3)):
        limit.write_text(text)
        assert affordable(3, 2**21) == n
    assert bytes_for(datasets.facts("cifar10")) == pytest.approx(1.4 * 2**30, rel=0.05)
    limit.write_text(f"{3 * 2**30}\n")
    workers = Workers(3, materials(tmp_path))
    workers.make_room([datasets.facts("digits")])
    assert workers.n == 3 and not capsys.readouterr().err
    workers.make_room(datasets.facts(name) for name in ("digits", "cifar10"))
    assert workers.n == 2
    assert "2 of 3 workers: there is no memory for more, at 1.4 GiB each" in capsys.readouterr().err


def test_after_a_killed_worker_new_ones_do_what_is_left(tmp_path: Path) -> None:
    workers = Workers(2, materials(tmp_path))
    found = {item: result for item, result, _ in workers.map(task(die_once), range(6))}
    workers.close()
    assert sorted(found) == list(range(6)) and os.getpid() not in found.values()


def test_each_device_has_a_worker_of_its_own_and_a_share_of_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second CPU stands for a second GPU."""
    monkeypatch.setattr("benchmark.workers.cores", lambda: 7)
    workers = Workers(8, materials(tmp_path), devices=["cpu:0", "cpu:1"])
    assert workers.n == 2 and workers.takes(one_thread=False)
    found = {result for _, result, _ in workers.map(task(device_of), range(2))}
    workers.close()
    assert found == {("cpu:0", 3), ("cpu:1", 3)}


def test_workers_on_a_cpu_take_what_gets_one_thread(tmp_path: Path) -> None:
    workers = Workers(2, materials(tmp_path))
    assert workers.takes(one_thread=True) and not workers.takes(one_thread=False)


def test_a_gpu_that_is_named_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert every_device(torch.device("cuda")) == ["cuda:0", "cuda:1"]
    assert every_device(torch.device("cuda:1")) == ["cuda:1"]
    assert every_device(torch.device("cpu")) == ["cpu"]


def test_what_another_process_has_in_hand_comes_last_and_is_taken_over_when_it_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path), name_of(0)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "True\n"
    monkeypatch.setattr(tasks, "POLL_SECONDS", 0.05)
    work = Workers(1, materials(tmp_path)).map(task(double), [0, 1, 2])
    assert [next(work)[0], next(work)[0]] == [1, 2]
    threading.Timer(0.3, holder.kill).start()
    assert next(work) == (0, (0, torch.get_num_threads()), None)
    holder.wait()
    holder.stdout.close()
    assert "1 pieces of work are in the hands of another run" in capsys.readouterr().err
    assert list((tmp_path / "locks").iterdir()) == []


def test_what_another_run_did_meanwhile_is_not_done_again(tmp_path: Path) -> None:
    (tmp_path / "done-1").touch()
    work = Task(write_down, name_of, is_written)
    found = {item: (result, fault) for item, result, fault in Workers(1, materials(tmp_path)).map(work, [0, 1])}
    assert found == {0: (0, None), 1: (None, None)}


def test_where_nothing_can_be_locked_everybody_may_work(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file where the folder would be")
    store = Store(tmp_path)
    with store.claim("work") as first, store.claim("work") as second:
        assert first and second


def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path / "s")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(word) for word in parent.stdout.readline().split()]
    assert workers
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_there_is_at_least_one_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


class Large:
    """Something that takes memory."""


def hold_something_large(seen: list[weakref.ref[Large]]) -> None:
    large = Large()
    seen.append(weakref.ref(large))
    raise RuntimeError("out of memory")


def fail_with_something_large(_: Materials, seen: list[weakref.ref[Large]]) -> None:
    large = Large()
    seen.append(weakref.ref(large))
    try:
        hold_something_large(seen)
    except RuntimeError:
        raise ValueError("in a second frame")  # noqa: B904  the first is its context, not its cause


def test_a_fault_does_not_hold_on_to_what_was_worked_on(tmp_path: Path) -> None:
    """A network that did not fit into memory would stay there beside the next one."""
    seen: list[weakref.ref[Large]] = []
    _, fault = tasks.attempt(Task(fail_with_something_large), materials(tmp_path), seen)
    assert isinstance(fault, ValueError) and fault.__traceback__ is not None and [one() for one in seen] == [None, None]
