"""Takes the pictures of docs/images: `python -m tests.leaderboard.screenshots STORE [FOLDER]`.

The main pages of a store's site at 320 and 1280 pixels, light and dark, as PNG files with few colours. The pictures in
the repository show `artifacts/reference`.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

import leaderboard
from benchmark.store import Store
from tests.leaderboard.browser import Reader, launched

__all__ = ["main"]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
HEIGHTS = {1280: 900, 320: 640}
COLOURS = 96


def pages(site: Path) -> dict[str, str]:
    """Addresses by the name of the picture."""
    dm = min(site.glob("method/dm-*.html"))
    entries = [path.stem for path in sorted(site.glob("entry/*.html")) if "dm on digits, 10" in path.read_text()]
    states = f"a={entries[0]}&b={entries[1]}"
    return {
        "leaderboard": (site / "index.html").as_uri(),
        "board": min(site.glob("board/digits-ipc10-convnet*.html")).as_uri(),
        "entry": (site / "entry" / f"{entries[0]}.html").as_uri(),
        "method": dm.as_uri(),
        "explore": (site / "explore.html").as_uri(),
        "figures": (site / "figures.html").as_uri(),
        "compare": f"{(site / 'compare.html').as_uri()}#{states}",
    }


def main(arguments: list[str]) -> int:
    """Build the site of a store in a temporary folder, and take every picture."""
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    out = Path(arguments[1]) if len(arguments) == 2 else IMAGES
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, launched() as browser:
        store = Store(Path(folder) / "store", [arguments[0]])
        store.collect()
        site = leaderboard.build(store.roots, Path(folder) / "site").index.parent
        reader = Reader(browser)
        for name, address in pages(site).items():
            for theme, width in (("light", 1280), ("dark", 1280), ("light", 320), ("dark", 320)):
                page = reader.open(address, width, theme).page
                page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
                picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS)
                picture.save(out / f"{name}-{width}-{theme}.png", optimize=True)
                print(out / f"{name}-{width}-{theme}.png", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
