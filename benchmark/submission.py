"""Takes in a set folder that somebody made elsewhere: read within bounds, checked whole, nothing in it ever executed.

docs/synthetic_set.md states the format, docs/submit.md how to write one with numpy and json alone.
"""

from __future__ import annotations

from pathlib import Path

from benchmark import registry, tensor_file
from benchmark._strict import parse_json, read_bytes
from benchmark.errors import InvalidInput, PolicyRefusal
from benchmark.synthetic_set import CARD_LIMIT, Card, SyntheticSet

__all__ = ["check_policy", "read_set_folder"]


def read_set_folder(folder: str | Path) -> SyntheticSet:
    """Read a set folder, validated; raises InvalidInput with one line for each problem. The folder is not changed."""
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise InvalidInput(f"{place} is not a folder. A set is a folder with tensors.safetensors and card.json.")
    present = {file.name for file in place.iterdir()}
    missing = [name for name in ("tensors.safetensors", "card.json") if name not in present]
    if missing:
        raise InvalidInput(f"{place} lacks {' and '.join(missing)}. See docs/submit.md.")
    card = Card.from_json(parse_json(read_bytes(place / "card.json", CARD_LIMIT), str(place / "card.json")))
    synthetic = SyntheticSet(tensor_file.read(place / "tensors.safetensors"), card)
    synthetic.validate()
    return synthetic


def check_policy(synthetic: SyntheticSet) -> None:
    """Raise PolicyRefusal where the rules of the boards refuse a set that is well-formed.

    Our own baselines are what every method is compared with, so nobody else's sets are pooled with theirs.
    """
    method = synthetic.card.method
    if method in registry.names("baseline"):
        raise PolicyRefusal(
            f"method {method!r} is the name of a baseline here, whose sets it makes itself. "
            f'Fix: give your method another name in card.json, e.g. "{method}-yours".'
        )
    if synthetic.card.classes is not None:
        raise PolicyRefusal(
            "card.json says that the set is of some of the classes. Families made step by step are not taken in; "
            "only sets of all classes are. Fix: hand in the set of all classes, with `classes` null."
        )
