"""Turns what a method's own code left on disk into a set folder: on the author's machine, guarded, never guessing.

A child process with limits reads the files (`_child`); it opens pickles with `weights_only` alone, checks every size
before it loads, and hands plain arrays back. Which layout they are in is told by `layouts`, an allow-list; what the
numbers mean is measured (`_space`) and compared with what the author declares. What a file does not say is asked for by
the option that says it. docs/convert.md describes every layout.
"""

from benchmark.convert._make import Converted, check_new, convert, write
from benchmark.convert._request import Request

__all__ = ["Converted", "Request", "check_new", "convert", "write"]
