"""The core of DistillBench: nouns, registries, datasets, recipes, engine, store and command line.

Imports nothing from the other rooms, and nothing heavy by itself.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
