"""Measures the bars of the project, one module each, and writes what it finds into docs/evidence.

`make evidence` runs all; `python -m tests.evidence NAME …` some. Sets and trainings are kept in a store outside the
checkout (`DISTILLBENCH_EVIDENCE`, else a folder of the user's cache), so a stopped run goes on where it was and a new
checkout starts from what was measured before.
"""
