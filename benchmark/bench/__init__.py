"""Measures how fast the engine is, beside the field's usual loop and the machine's own limit.

`cells.toml` says what is measured, `turns` runs it part by part in processes of their own, `record` keeps the raw
numbers, `page` writes docs/performance.md from them and from nothing else.
"""

__all__: list[str] = []
