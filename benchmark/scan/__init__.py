"""Looks for test images in a set, before it is scored: copies, and images that lie too near to them.

What cannot be seen here: test labels hidden in bits (the evaluator `requantised` shows what they are worth), a set that
was merely chosen by its test accuracy, and test images that were changed beyond what thumbnails know again.
docs/scan.md tells the method and what it was measured to find.
"""

from benchmark.scan.picture import draw
from benchmark.scan.record import Pair, Scan
from benchmark.scan.scanning import scan

__all__ = ["Pair", "Scan", "draw", "scan"]
