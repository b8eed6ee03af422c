"""Baselines: our builds of the methods that make synthetic sets, one file each."""

__all__: list[str] = []
