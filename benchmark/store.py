"""The store: the only code that knows the layout on disk.

    FORMAT                                    {"format": 2}
    sets/<digest>/tensors.safetensors, card.json, preview.png
    made/ab/<key>.json                        which set a baseline made of what, and its cost
    outcomes/ab/<key>-<seed>-<probe>-<numerics>.json   (arrays beside it in .safetensors)
    results/ab/<id>.json                      derived rows of one set under one evaluator
    results.parquet, results.csv              all of them, collected; index/ is derived too
    status/ab/<sha256 of its bytes>.json      what is said of a set: states.py
    scans/<digest>.json, <digest>.png         whether a set holds test images: scan/record.py
    work/<key>/                               checkpoints of what is being made
    tmp/                                      staging
    locks/<name>.lock                         work that a living process has in hand
    outcomes/<digest>.parquet                 outcomes of a set, packed in the reference store (packed.py)

Sets, made and outcomes are immutable and content-addressed: first come, first kept, and two stores merge by copying
their files together; what is damaged counts as absent and is replaced when it comes again. Hashes cover what is
deterministic; cost and dates stand in a part outside them.
A store reads through to its `fallbacks` (the committed reference store) and never writes there.

Differs from the first design: `made/` is new. Two seeds of a deterministic baseline make one set, so a set's card
cannot say which seeds made it; a record for each request can.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from benchmark import _outcome_file, durable, packed, row_index, tensor_file
from benchmark._format import FORMAT, read_format
from benchmark._seal import sealed, unsealed
from benchmark._strict import parse_json, read_bytes, shown
from benchmark.errors import EnvironmentFault, InvalidInput
from benchmark.results import frame, merged, write_tables
from benchmark.scan.record import Scan
from benchmark.states import Record, State, read_records, states_of
from benchmark.synthetic_set import CARD_LIMIT, Card, SyntheticSet
from benchmark.values import Outcome, canonical_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMAT", "MadeRecord", "Store"]

SCAN_LIMIT = 64 * 2**10
"""Bytes of a scan's record that are read."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class MadeRecord:
    """Which set a request gave: the answer to a `Made`."""

    made: Mapping[str, Any]
    digest: str
    cost: Mapping[str, Any] = field(default_factory=dict)


class Store:
    """A folder of sets, outcomes and results. Opening one that does not exist yet writes nothing."""

    def __init__(self, root: str | Path, fallbacks: Sequence[str | Path] = ()) -> None:
        self.root = Path(root).expanduser().resolve()
        self.fallbacks = [Store(place) for place in fallbacks if Path(place).resolve() != self.root]
        self._format = read_format(self.root)

    @property
    def roots(self) -> list[Path]:
        """This store's folder and those it reads through to."""
        return [self.root, *(fallback.root for fallback in self.fallbacks)]

    @property
    def staging(self) -> Path:
        return self.root / "tmp"

    def prepare(self) -> None:
        """Say of which format the store is, before anything is written; an older one becomes of ours.

        All that is in an older store is valid in ours, so nothing else changes.
        """
        if self._format < FORMAT or not (self.root / "FORMAT").exists():
            durable.write_replacing(self.root / "FORMAT", canonical_json({"format": FORMAT}).encode(), self.staging)
            self._format = FORMAT

    def _settle(self, place: Path) -> None:
        """Have what is here already on the disk before it is acknowledged; what a fallback holds is."""
        if place.exists():
            durable.settle(place)

    def _find(self, *parts: str) -> Path | None:
        """The first of the stores' files of this relative path."""
        return next((root.joinpath(*parts) for root in self.roots if root.joinpath(*parts).exists()), None)

    # Sets

    def has_set(self, digest_: str) -> bool:
        return self._find("sets", digest_, "card.json") is not None

    def set_digests(self) -> list[str]:
        """Digests of all sets, sorted; a folder of another name is nobody's set."""
        found = {card.parent.name for root in self.roots for card in root.glob("sets/*/card.json")}
        return sorted(name for name in found if _DIGEST.fullmatch(name))

    def resolve_set(self, prefix: str) -> str:
        """The one digest that begins with `prefix`; raises InvalidInput where there is none, or several."""
        if len(prefix) < 4:
            raise InvalidInput(f"{prefix!r} is too short for a set. Give the first 4 digits of its digest, or more.")
        found = [name for name in self.set_digests() if name.startswith(prefix.lower())]
        if not found and Path(prefix).exists():
            raise InvalidInput(f"{prefix!r} is not a set of the store yet. Run `distillbench submit {prefix}` first.")
        if len(found) != 1:
            what = "no set begins" if not found else f"{len(found)} sets begin"
            raise InvalidInput(f"{what} with {shown(prefix)} in {self.root}. See `distillbench list set`.")
        return found[0]

    def read_card(self, digest_: str) -> Card:
        file = self._set_folder(digest_) / "card.json"
        try:
            return Card.from_json(unsealed(parse_json(read_bytes(file, CARD_LIMIT), file.name)))
        except InvalidInput as fault:
            raise InvalidInput(f"{file}: {fault}") from fault

    def read_set(self, digest_: str) -> SyntheticSet:
        """A stored set, checked against its digest; raises InvalidInput when it is missing or damaged."""
        folder = self._set_folder(digest_)
        synthetic = SyntheticSet(tensor_file.read(folder / "tensors.safetensors"), self.read_card(digest_))
        if synthetic.digest != digest_:
            raise InvalidInput(f"{folder} is damaged: its content has digest {synthetic.digest[:12]}…. Fix: delete it.")
        return synthetic

    def write_set(self, synthetic: SyntheticSet, preview: bytes | None = None) -> str:
        """Validate a set and take it in; returns its digest. A set that is there already stays as it is."""
        self.add_set(synthetic, preview)
        return synthetic.digest

    def add_set(self, synthetic: SyntheticSet, preview: bytes | None = None) -> bool:
        """As `write_set`; False where the set was there, or another process was faster."""
        synthetic.validate()
        name = synthetic.digest
        if self.has_set(name):
            self._settle(self.root / "sets" / name)
            return False
        self.prepare()
        card = json.dumps(sealed(synthetic.card.to_json()), indent=1, sort_keys=True, allow_nan=False)
        files = {"tensors.safetensors": tensor_file.to_bytes(synthetic.tensors), "card.json": f"{card}\n".encode()}
        with durable.staging_folder(self.staging) as folder:
            for file, content in (files if preview is None else {**files, "preview.png": preview}).items():
                durable.write_file(folder / file, content)
            placed = durable.place_folder(folder, self.root / "sets" / name)
        if not placed and not self.has_set(name):
            raise EnvironmentFault(f"{self.root / 'sets' / name} holds no whole set. Fix: delete it, and try again.")
        return placed

    def preview(self, digest_: str) -> Path | None:
        return self._find("sets", digest_, "preview.png")

    def write_preview(self, digest_: str, preview: bytes) -> None:
        if self.preview(digest_) is None and (self.root / "sets" / digest_).is_dir():
            durable.write_once(self.root / "sets" / digest_ / "preview.png", preview, self.staging)

    def _set_folder(self, digest_: str) -> Path:
        card = self._find("sets", digest_, "card.json")
        return card.parent if card else self._missing(digest_)

    def _missing(self, digest_: str) -> NoReturn:
        raise InvalidInput(f"there is no set {digest_[:12]}… in {self.root}. See `distillbench list set`.")

    # What is said of sets

    def write_status(self, record: Record) -> str:
        """Take a status record in; returns its id. Raises InvalidInput where it cannot be stored."""
        content = record.to_bytes()
        self.prepare()
        durable.write_once(self.root / "status" / record.id[:2] / f"{record.id}.json", content, self.staging)
        return record.id

    def states(self) -> dict[str, State]:
        """The state of every set that is stored, or of which something is said, sorted by digest."""
        places = {name: self._set_folder(name) for name in self.set_digests()}
        return states_of(read_records(self.roots), places, self._scored())

    def state(self, digest_: str) -> State:
        """The state of one set; raises InvalidInput where it is neither stored nor spoken of."""
        places = {digest_: self._set_folder(digest_)} if self.has_set(digest_) else {}
        found = states_of(read_records(self.roots, only=digest_), places, self._scored())
        return found.get(digest_) or self._missing(digest_)

    def _scored(self) -> set[str]:
        """Digests of the sets that have a result with a value."""
        with row_index.current(self.roots) as index:
            return index.scored()

    # Scans for test images

    def read_scan(self, digest_: str) -> Scan | None:
        """The scan of a set; None where there is none, or it is damaged, so that it is made again."""
        file = self._find("scans", f"{digest_}.json")
        try:
            return Scan.from_json(unsealed(parse_json(read_bytes(file, SCAN_LIMIT), file.name))) if file else None
        except InvalidInput:
            return None

    def scan_picture(self, digest_: str) -> Path | None:
        """The worst pairs of a scan side by side."""
        return self._find("scans", f"{digest_}.png")

    def write_scan(self, scan: Scan, picture: bytes | None = None) -> None:
        """Put a scan, and its pairs side by side, in place of an older one."""
        self.prepare()
        base = self.root / "scans" / scan.set
        if picture is not None:  # first, so that whoever sees the record finds it
            durable.write_replacing(base.with_suffix(".png"), picture, self.staging)
        text = json.dumps(sealed(scan.to_json()), indent=1, sort_keys=True, allow_nan=False)
        durable.write_replacing(base.with_suffix(".json"), text.encode(), self.staging)

    # What baselines made

    def read_made(self, key: str) -> MadeRecord | None:
        """What was made for a request; None where nothing was, the record is damaged, or its set is gone."""
        found = (_made_record(root / "made" / key[:2] / f"{key}.json") for root in self.roots)
        return next((record for record in found if record and self.has_set(record.digest)), None)

    def write_made(self, key: str, record: MadeRecord) -> None:
        """Take a record in; one that answers for this key already stays, one that no longer does is replaced."""
        self.prepare()
        file = self.root / "made" / key[:2] / f"{key}.json"
        if self.read_made(key) is not None:
            self._settle(file)
            return
        text = json.dumps(sealed(dataclasses.asdict(record)), sort_keys=True, allow_nan=False)
        durable.write_replacing(file, text.encode(), self.staging)

    def made_records(self) -> Iterator[MadeRecord]:
        """Every record, in the order of the keys."""
        files = {file.name: file for root in reversed(self.roots) for file in root.glob("made/*/*.json")}
        found = (_made_record(files[name]) for name in sorted(files))
        return (record for record in found if record is not None)

    def work_folder(self, key: str) -> Path:
        """A folder for checkpoints of what is being made under this key; raises EnvironmentFault."""
        folder = self.root / "work" / key
        with durable.explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def clear_work(self, key: str) -> None:
        shutil.rmtree(self.root / "work" / key, ignore_errors=True)

    # Outcomes

    def read_outcome(self, name: str, numerics: str = "") -> Outcome | None:
        """The outcome of this name (`keys.outcome_name`); where several numerics are stored, the one that is asked for,
        or the first by name.

        A damaged file counts as absent, so that its block is trained again.
        """
        found = (outcome for outcome, _ in self._outcomes(name))
        return next((outcome for outcome in found if numerics in ("", outcome.numerics)), None)

    def read_cost(self, name: str) -> Mapping[str, Any]:
        """What the outcome that `read_outcome` gives has cost: seconds, steps and the like; empty where none is."""
        found = next((found for _, found in self._outcomes(name)), {})
        return _outcome_file.read_cost(found) if isinstance(found, Path) else found

    def _outcomes(self, name: str) -> Iterator[tuple[Outcome, Path | Mapping[str, Any]]]:
        """Outcomes of this name, each with its file, or, where it is packed, with its cost."""
        for root in self.roots:
            for file in sorted(root.glob(f"outcomes/{name[:2]}/{name}-*.json")):
                outcome = _outcome_file.read(file, name)
                if outcome is not None:
                    yield outcome, file
            yield from packed.outcomes(root, name)

    def write_outcome(self, name: str, training: Any, outcome: Outcome, cost: Mapping[str, Any]) -> None:
        """Take an outcome in, arrays in a file beside it; a damaged one of its name and numerics is replaced.

        Raises InvalidInput where its value cannot be stored.
        """
        text, arrays = _outcome_file.encode(name, training, outcome, cost)
        self.prepare()
        base = self.root / "outcomes" / name[:2] / f"{name}-{outcome.numerics}"
        file, beside = Path(f"{base}.json"), Path(f"{base}{_outcome_file.ARRAYS}")
        if _outcome_file.read(file, name) is not None:
            self._settle(file)
            return
        if arrays:  # first, so that whoever sees the record finds them
            durable.write_replacing(beside, arrays, self.staging)
        durable.write_replacing(file, text, self.staging)

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Have a piece of work in hand for the length of a `with`; False where another process has it.

        The claim is a lock of the operating system's, so that of a dead process lapses by itself. It only saves work:
        where the file system knows no locks, everybody may.
        """
        from filelock import FileLock, Timeout

        file = self.root / "locks" / f"{name}.lock"
        lock, is_taken = FileLock(file, timeout=0, fallback_to_soft=False), False
        try:
            durable.make_folder(file.parent)
            lock.acquire()
        except Timeout:
            is_taken = True
        except OSError as fault:
            if fault.errno == errno.ENOSYS:  # nobody can hold it, so the file that was opened says nothing
                with suppress(OSError):
                    file.unlink()
        try:
            yield not is_taken
        finally:
            if lock.is_locked:
                file.unlink(missing_ok=True)  # before it is free: who opened it meanwhile looks again
            lock.release()

    def _sweep_claims(self) -> None:
        """Remove the files of claims that killed processes left; a claim that is held stays, however old it is."""
        for file in sorted((self.root / "locks").glob("*.lock")):
            if file.stem != "maintenance":
                with self.claim(file.stem):  # which removes the file at its end, unless another process has it
                    pass

    # Results

    def write_results(self, name: str, request: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
        """Put the rows of one set under one evaluator in place of older ones."""
        self.prepare()
        text = json.dumps(sealed({"format": 1, "request": dict(request), "rows": list(rows)}), sort_keys=True)
        durable.write_replacing(self.root / "results" / name[:2] / f"{name}.json", text.encode(), self.staging)

    def results(self) -> pd.DataFrame:
        """All result rows of this store and its fallbacks, each once, in one table of `results.COLUMNS`."""
        with row_index.current(self.roots) as index:
            return merged(frame(index.rows({})))

    def rows(self, wanted: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        """The rows of `results` whose columns have one of the values wanted. At once, where the index is up to date."""
        return row_index.select(self.roots, wanted, self.staging if self.root.is_dir() else None)

    def collect(self) -> pd.DataFrame:
        """Write results.parquet and results.csv from all rows, and return them; sweep up after killed writers."""
        with row_index.current(self.roots) as index:
            table = merged(frame(index.rows({})))
            self.prepare()
            durable.sweep(self.staging)
            self._sweep_claims()
            if index.is_new:
                row_index.save(index, self.root, self.staging)
        write_tables(table, self.root, self.staging)
        return table


def _made_record(file: Path) -> MadeRecord | None:
    """The record in a file; None where there is none that can be read."""
    try:
        stored = unsealed(json.loads(file.read_text(encoding="utf-8")))
        return MadeRecord(dict(stored["made"]), str(stored["digest"]), dict(stored["cost"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, InvalidInput):
        return None
