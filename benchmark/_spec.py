"""Reads `name` and `name:option=value,option=value`: how a recipe or an evaluator names a plug-in with options.

What options a plug-in has is read from its source text (keyword-only arguments of a function) or from its dataclass
fields, so that a spec can be checked and written in its one canonical form without importing torch.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import InvalidInput, UsageError, unknown_name

__all__ = ["Option", "canonical", "fields_of", "keywords_of", "read", "split"]

Value = bool | int | float | str
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Option:
    """One option of a plug-in: what it is called, what it may be and what it is when unsaid."""

    name: str
    annotation: str
    """As in the source: `int`, `float`, `bool`, `str`, `Literal["a", "b"]`, or one of these with ` | None`."""
    default: Value | None

    @property
    def choices(self) -> tuple[str, ...]:
        """The words of a `Literal`; empty for every other annotation."""
        _, found, words = self._type.partition("Literal[")
        return tuple(ast.literal_eval(f"({words.removesuffix(']')},)")) if found else ()

    @property
    def _type(self) -> str:
        return self.annotation.removesuffix("| None").strip()

    def value(self, text: str) -> Value:
        """Turn `text` into the option's type; raises UsageError naming what is allowed."""
        if self.choices or self._type == "str":
            if self.choices and text not in self.choices:
                raise unknown_name(f"value of {self.name}", text, self.choices)
            return text
        if self._type == "bool":
            if text not in _BOOLEANS:
                raise UsageError(f"{self.name} = {text!r}; allowed: true, false.")
            return _BOOLEANS[text]
        return self._number(text)

    def _number(self, text: str) -> int | float:
        try:
            number = int(text) if self._type == "int" else float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < 0:
            wanted = "a whole number" if self._type == "int" else "a number"
            raise UsageError(f"{self.name} = {text!r}; it must be {wanted}, 0 or above.")
        return number


def split(spec: str) -> tuple[str, dict[str, str]]:
    """Split a spec into the plug-in's name and its options as text; raises UsageError for any other form."""
    name, colon, rest = spec.partition(":")
    options: dict[str, str] = {}
    for part in rest.split(",") if colon else []:
        option, equals, value = (piece.strip() for piece in part.partition("="))
        if not (option and equals and value):
            raise UsageError(f"{spec!r}: {part!r} is not an option. Write name:option=value,option=value.")
        if option in options:
            raise UsageError(f"{spec!r} gives {option!r} twice.")
        options[option] = value
    return name.strip(), options


def read(what: str, given: Mapping[str, str], known: Mapping[str, Option]) -> dict[str, Value]:
    """Values of the given options, those equal to their default left out; `what` names the plug-in in errors."""
    values = {}
    for name, text in given.items():
        if name not in known:
            raise unknown_name(f"option of {what}", name, known)
        try:
            value = known[name].value(text)
        except UsageError as fault:
            raise UsageError(f"{what}: {fault}") from None
        if value != known[name].default:
            values[name] = value
    return values


def canonical(name: str, values: Mapping[str, Value]) -> str:
    """The one text for a name with these non-default values: options sorted by name."""
    texts = {option: str(value).lower() if isinstance(value, bool) else str(value) for option, value in values.items()}
    options = ",".join(f"{option}={texts[option]}" for option in sorted(texts))
    return f"{name}:{options}" if options else name


def keywords_of(file: Path, function: str) -> dict[str, Option]:
    """Keyword-only arguments of a module-level function, read from the file without importing it."""
    return dict(_keywords(file, function, file.stat().st_mtime_ns))


@functools.lru_cache(maxsize=256)
def _keywords(file: Path, function: str, changed: int) -> dict[str, Option]:
    """Parsed once for each time that the file was `changed`."""
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == function:
            pairs = zip(statement.args.kwonlyargs, statement.args.kw_defaults, strict=True)
            return {argument.arg: _option(file, argument, default) for argument, default in pairs}
    raise InvalidInput(f"plug-in {file} defines no function `{function}` at module level.")


def _option(file: Path, argument: ast.arg, default: ast.expr | None) -> Option:
    try:
        # A default that is not written out could only be known by running the file.
        value = ast.literal_eval(default) if default is not None else None
        return Option(argument.arg, ast.unparse(argument.annotation) if argument.annotation else "str", value)
    except ValueError as fault:
        raise InvalidInput(f"plug-in {file}: the default of {argument.arg!r} must be a literal.") from fault


def fields_of(plugin: type[Any]) -> dict[str, Option]:
    """Fields of a dataclass as options."""
    found = {}
    for field in dataclasses.fields(plugin):
        annotation = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
        default = None if field.default is dataclasses.MISSING else field.default
        found[field.name] = Option(field.name, annotation, default)
    return found
