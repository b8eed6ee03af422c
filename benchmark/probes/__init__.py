"""Probes: registered measurements of a trained network."""

__all__: list[str] = []
