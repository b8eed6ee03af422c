"""All result rows of a store in one file, so that a few of a hundred thousand are found at once. Derived; torch-free.

`index/rows` is the sha256 of what follows, then a SQLite database that is read into memory: the rows, their texts as
numbers, and what each file of results/ looked like (size, times, inode). What has changed since is read again, the rest
is taken from here; where the index is missing or damaged, everything is read. The file is never opened as a database,
so network file systems and several writers do no harm: whoever writes it replaces it whole.

Pandas and pyarrow take longer to load than this takes to answer.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import durable
from benchmark.errors import EnvironmentFault, InvalidInput
from benchmark.results import COLUMNS, MEASUREMENT, ORDER, rows_of

__all__ = ["Index", "current", "merged_rows", "save", "select"]

FORMAT = 1
NAME = Path("index") / "rows"
TABLES = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE files (id INTEGER PRIMARY KEY, name TEXT UNIQUE, stamp TEXT);
CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT UNIQUE);
CREATE TABLE rows (file INTEGER, {", ".join(f'"{name}"' for name in COLUMNS)});
"""
TEXTS = [name for name, kind in COLUMNS.items() if kind == "string"]
"""Columns that hold the number of a text."""


@dataclass(frozen=True)
class Index:
    """Every row that stands in results/ now; those of one measurement may stand there several times."""

    database: sqlite3.Connection
    is_new: bool
    """Whether it differs from the one that is saved."""

    def rows(self, wanted: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        """The rows whose columns have one of the values wanted, in the order of the files' names."""
        texts = dict(self.database.execute("SELECT id, text FROM texts"))
        numbers = {text: number for number, text in texts.items()}
        where, values = ["1"], list[Any]()
        for name, several in wanted.items():
            places = ", ".join("?" * len(several))
            where.append(f'rows."{name}" IN ({places})')
            values += [numbers.get(value, -1) if name in TEXTS else value for value in several]
        columns = ", ".join(f'rows."{name}"' for name in COLUMNS)
        query = f"SELECT {columns} FROM rows JOIN files ON files.id = file WHERE {' AND '.join(where)} "
        found = self.database.execute(query + "ORDER BY files.name, rows.rowid", values)
        translate = [(lambda value: texts.get(value)) if name in TEXTS else _plain(name) for name in COLUMNS]
        return [
            {name: as_it_was(value) for name, as_it_was, value in zip(COLUMNS, translate, row, strict=True)}
            for row in found
        ]

    def scored(self) -> set[str]:
        """Digests of the sets that have a row with a value."""
        query = 'SELECT DISTINCT text FROM rows JOIN texts ON texts.id = rows."set" WHERE status = '
        return {text for (text,) in self.database.execute(query + "(SELECT id FROM texts WHERE text = 'ok')")}


def _plain(name: str) -> Any:
    if COLUMNS[name] == "boolean":
        return lambda value: value if value is None else bool(value)
    return lambda value: value


@contextmanager
def current(roots: Sequence[Path]) -> Iterator[Index]:
    """The rows of these stores; of two files of one name the first store's. What is damaged is named on stderr."""
    with closing(_load(roots[0] / NAME)) as database:
        yield _updated(database, _files(roots))


def _updated(database: sqlite3.Connection, files: Mapping[str, tuple[Path, str]]) -> Index:
    """The index, with what these files hold now."""
    known = dict(database.execute("SELECT name, stamp FROM files"))
    old = [(name,) for name, stamp in known.items() if name not in files or files[name][1] != stamp]
    new = [name for name, (_, stamp) in files.items() if known.get(name) != stamp]
    with database:
        database.execute("CREATE TEMP TABLE old (name TEXT PRIMARY KEY)")
        database.executemany("INSERT INTO old VALUES (?)", old)
        database.execute("DELETE FROM rows WHERE file IN (SELECT id FROM files WHERE name IN (SELECT name FROM old))")
        database.execute("DELETE FROM files WHERE name IN (SELECT name FROM old)")
        database.execute("DROP TABLE old")
    texts = {text: number for number, text in database.execute("SELECT id, text FROM texts")}
    added = sum(_add(database, name, *files[name], texts) for name in new)
    return Index(database, bool(old or added))


def _add(database: sqlite3.Connection, name: str, file: Path, stamp: str, texts: dict[str | None, int | None]) -> bool:
    """Take a file's rows in; a damaged one is not taken, and so is looked at again. They can be derived again."""
    try:
        rows = rows_of(file)
        with database:
            texts[None] = None
            for text in {row[column] for row in rows for column in TEXTS} - set(texts):
                texts[text] = database.execute("INSERT INTO texts (text) VALUES (?)", [text]).lastrowid
            number = database.execute("INSERT INTO files (name, stamp) VALUES (?, ?)", [name, stamp]).lastrowid
            database.executemany(
                f"INSERT INTO rows VALUES (?{', ?' * len(COLUMNS)})",
                ([number, *(texts[row[one]] if one in TEXTS else row[one] for one in COLUMNS)] for row in rows),
            )
        return True
    except (OverflowError, UnicodeEncodeError) as fault:  # a number or a sign that JSON can write, and no table hold
        print(f"E504 left out: {file} holds no result rows ({str(fault)[:100]}).", file=sys.stderr)
    except InvalidInput as fault:
        print(f"E504 left out: {fault}", file=sys.stderr)
    return False


def save(index: Index, root: Path, staging: Path) -> None:
    """Keep an index for the next reader. Raises EnvironmentFault."""
    content = index.database.serialize()
    durable.write_replacing(root / NAME, hashlib.sha256(content).digest() + content, staging)


def select(
    roots: Sequence[Path], wanted: Mapping[str, Sequence[Any]], staging: Path | None = None
) -> list[dict[str, Any]]:
    """The rows whose columns have one of the values wanted, one a measurement, in the order of `results.frame`.

    With `staging`, an index that was out of date is saved where that is possible.
    """
    # The other columns tell rows of one measurement apart, so they are looked at when these are merged.
    first = {name: values for name, values in wanted.items() if name in MEASUREMENT}
    with current(roots) as index:
        if staging is not None and index.is_new:
            with suppress(EnvironmentFault):
                save(index, roots[0], staging)
        rows = merged_rows(index.rows(first))
    return [row for row in rows if all(row[name] in values for name, values in wanted.items())]


def merged_rows(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What `results.merged(results.frame(rows))` gives, without pandas."""
    best: dict[tuple[Any, ...], dict[str, Any]] = {}
    in_order = sorted(rows, key=lambda row: _key(row, ORDER))
    for row in sorted(in_order, key=lambda row: (row["status"] != "ok", *_key(row, ["numerics", "device"]))):
        best.setdefault(tuple(row[name] for name in MEASUREMENT), row)
    return sorted(best.values(), key=lambda row: _key(row, ORDER))


def _key(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    """For sorting, what is absent first."""
    return tuple((False, 0) if row[name] is None else (True, row[name]) for name in names)


def _files(roots: Sequence[Path]) -> dict[str, tuple[Path, str]]:
    """Every file of results and what it looks like, by name, sorted."""
    found: dict[str, tuple[Path, str]] = {}
    for root in reversed(roots):
        for folder in _entries(root / "results"):
            for entry in _entries(folder.path) if folder.is_dir() else ():
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    with suppress(FileNotFoundError):
                        status = entry.stat()
                        stamp = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
                        found[entry.name] = (Path(entry.path), stamp)
    return dict(sorted(found.items()))


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _load(file: Path) -> sqlite3.Connection:
    """What is saved; an empty one where there is none, or it is damaged or of another version."""
    with suppress(OSError):
        content = memoryview(file.read_bytes())
        if hashlib.sha256(content[32:]).digest() == content[:32]:
            database = sqlite3.connect(":memory:")
            with suppress(sqlite3.Error):
                database.deserialize(content[32:])
                if database.execute("PRAGMA user_version").fetchone() == (FORMAT,):
                    return database
            database.close()
    database = sqlite3.connect(":memory:")
    database.executescript(TABLES)
    return database
