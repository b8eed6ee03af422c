"""What the engine sets up in a process: freed memory stays there, whichever thread freed it."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from pathlib import Path

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


HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def _why_not() -> str:
    if platform.libc_ver()[0] != "glibc":
        return "other libraries are left as they are"
    if resource.getpagesize() != 4096 or (HUGE.exists() and "[always]" in HUGE.read_text()):
        return "counts pages of 4 KiB"
    return ""


@pytest.mark.skipif(bool(_why_not()), reason=_why_not())
def test_freed_memory_stays_in_the_process_when_a_thread_frees_it() -> None:
    """Twelve times 100 MiB are 307,200 pages of 4 KiB, which come in anew where they went back to the system."""
    ways = {"as it is": FAULTS.replace("PREPARE", ""), "prepared": FAULTS.replace("PREPARE", PREPARE)}
    faults = {
        name: int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for name, code in ways.items()
    }
    assert 4 * faults["prepared"] < 307_200 <= faults["as it is"]
