"""What the engine sets up in a process: freed memory stays there, whichever thread freed it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, threading, torch
from benchmark import engine
PREPARE
def work():
    global n
    for turn in range(20):
        if turn == 8:
            n = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(100 * 2**20, dtype=torch.uint8)
    n = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - n
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(n)
"""
PREPARE = 'engine.prepare(torch.device("cpu"), True)'


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries are left as they are")
def test_freed_memory_stays_in_the_process_when_a_thread_frees_it() -> None:
    """Twelve times 100 MiB are 307,200 pages of 4 KiB, which come in anew where they went back to the system."""
    ways = {"as it is": FAULTS.replace("PREPARE", ""), "prepared": FAULTS.replace("PREPARE", PREPARE)}
    faults = {
        name: int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for name, code in ways.items()
    }
    assert 4 * faults["prepared"] < 307_200 <= faults["as it is"]
