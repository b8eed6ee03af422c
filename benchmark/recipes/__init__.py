"""Recipes as TOML files; read with `benchmark.recipe.load`."""

__all__: list[str] = []
