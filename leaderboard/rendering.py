"""Turns a template and its values into the bytes of a page.

The templates run with autoescape always on, whatever their suffix, and every text goes through `visible` before it is
escaped. The pages' policy allows no inline style, no inline script and nothing from another host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leaderboard import paths, wording
from leaderboard.cells import CONTROLS, Cell
from leaderboard.files import Item
from leaderboard.marks import Scale, mark, scale_of
from leaderboard.text import page_name, safe_url, shorten, visible

__all__ = ["page", "static_files"]

HERE = Path(__file__).parent


def page(path: str, template: str, **values: object) -> Item:
    """A page of the site, rendered when it is needed; `values` are all that it depends on."""
    root = "../" * path.count("/")

    def make() -> bytes:
        return _environment().get_template(f"{template}.html").render({"root": root, **values}).encode("utf-8")

    return Item(path, (template, sorted(values.items())), make)


def static_files() -> Mapping[str, bytes]:
    """Style sheet, scripts and icon, by their paths in the site."""
    return {f"static/{file.name}": file.read_bytes() for file in sorted((HERE / "static").iterdir())}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in wording.__all__:
        environment.filters[name] = getattr(wording, name)
    for name in paths.__all__:
        environment.globals[name] = getattr(paths, name)
    environment.filters |= {"shorten": shorten, "safe_url": safe_url}
    environment.globals |= {
        "CONTROLS": CONTROLS,
        "details": wording.details,
        "mark": mark,
        "page_name": page_name,
        "scale_of": _scale_of,
    }
    return environment


def _scale_of(cells: Sequence[Cell | None], unit: str) -> Scale:
    return scale_of([found for found in cells if found is not None], unit)
