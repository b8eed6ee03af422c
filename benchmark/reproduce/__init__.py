"""Published tables beside our own numbers: what a table asks for, what was measured, the verdict, and the page."""

__all__: list[str] = []
