"""Puts a set where others find it: a folder, or a dataset repository of the Hugging Face hub.

What is published is the set folder and a README.md made from its card (`benchmark.readme`). The hub's package is
optional (extra `hub`) and is asked for its own stored login: no token passes through this program.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from benchmark import durable, preview, tensor_file
from benchmark.errors import EnvironmentFault, UsageError
from benchmark.readme import readme
from benchmark.synthetic_set import SyntheticSet

__all__ = ["files_of", "to_folder", "to_hub"]

REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def files_of(synthetic: SyntheticSet) -> dict[str, bytes]:
    """What a published set consists of, by file name; the same set and card give the same bytes.

    There is no preview of indices: it would show real images, which not every dataset lets one pass on.
    """
    card = json.dumps(synthetic.card.to_json(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    files = {
        "README.md": readme(synthetic).encode(),
        "card.json": card.encode(),
        "tensors.safetensors": tensor_file.to_bytes(dict(synthetic.tensors)),
    }
    drawn = preview.draw(synthetic) if synthetic.card.decoder.name != "indices" else None
    return files if drawn is None else {**files, "preview.png": drawn}


def to_folder(synthetic: SyntheticSet, folder: str | Path) -> Path:
    """Write a new folder, whole or not at all; raises UsageError where something is there already."""
    place = Path(folder).expanduser().absolute()
    if place.exists() or place.is_symlink():
        raise UsageError(f"{place} exists already. Name a new folder with --to, or remove it.")
    with durable.staging_folder(place.parent) as staged, durable.explained(place):
        for name, content in files_of(synthetic).items():
            (staged / name).write_bytes(content)
        if not durable.place_folder(staged, place):
            raise UsageError(f"{place} exists already. Name a new folder with --to, or remove it.")
    return place


def to_hub(synthetic: SyntheticSet, repository: str) -> str:
    """Upload to the dataset repository OWNER/NAME, made if it is not there; returns its address.

    Raises UsageError for a name that is none, EnvironmentFault where the package is missing or the hub says no.
    """
    if not REPOSITORY.fullmatch(repository):
        raise UsageError(f"--hub {repository[:100]!r} is no repository. Write OWNER/NAME.")
    try:
        import huggingface_hub
    except ImportError as fault:
        raise EnvironmentFault(
            "huggingface_hub is not installed, which --hub needs. Fix: pip install 'distillbench[hub]' (from a "
            "checkout: pip install -e '.[hub]'), or publish to a folder with --to and upload that."
        ) from fault
    with tempfile.TemporaryDirectory(prefix="distillbench-publish-") as parent:
        folder = to_folder(synthetic, Path(parent) / "set")
        try:
            hub = huggingface_hub.HfApi()
            hub.create_repo(repository, repo_type="dataset", exist_ok=True)
            hub.upload_folder(
                folder_path=str(folder),
                repo_id=repository,
                repo_type="dataset",
                commit_message=f"Publish set {synthetic.digest[:12]}",
            )
        except Exception as fault:  # its errors have no common base: the network's, its own, those of its validators
            reason = " ".join(str(fault).split())[:300]
            raise EnvironmentFault(
                f"the hub did not take {repository} ({type(fault).__name__}: {reason}). Fix: log in with "
                "`hf auth login`, check that you may write there, and try again."
            ) from fault
    return f"https://huggingface.co/datasets/{repository}"
