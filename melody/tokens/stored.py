"""The fields of a `Vocabulary` as they stand in a file, which a stranger may have written.

Every value must be of its type, since `int("7")`, `int(7.9)` and `bool("no")` all give something, and every list must be
short: what the model computes at each step grows with them. What the values mean is checked by `Vocabulary` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from unicodedata import category

from melody.piece import Part

MAX_VALUES = 4096  # in one field; a corpus that has more keeps the 1,024 most frequent ones
MAX_NAME = 4096  # characters, as in a MIDI file that is read
NAMES = {"implied_duration": "legato"}  # of fields that are called otherwise in files
_LATER = {"pedal": False}  # fields that vocabularies from before them lack: what they are without
_FIELDS = {written: name for name, written in NAMES.items()}
_NO_TEXT = ("Cc", "Cs")  # control characters; halves of surrogate pairs, which no file can hold
_Value = TypeVar("_Value")


def fields_of(data: Any) -> dict[str, Any]:
    """What `Vocabulary` takes, from plain lists, numbers and texts.

    Raises
    ------
    ValueError
        If a field is missing or unknown, of another type or too long.
    """
    if not isinstance(data, Mapping) or set(data) | set(_LATER) != set(_READERS):
        raise ValueError(f"its fields must be {', '.join(_READERS)}")
    found, data = {}, _LATER | dict(data)
    for name, read in _READERS.items():
        try:
            found[_FIELDS.get(name, name)] = read(data[name])
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    return found


def written(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `fields_of`: fields from later on only where they are not what they are without."""
    return {NAMES.get(name, name): value for name, value in fields.items() if name not in _LATER or value != _LATER[name]}


def _number(value: Any) -> int:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise ValueError(f"holds {_shown(value)}; whole numbers of at most 31 bits are legal")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"holds {_shown(value)}; true and false are legal")
    return value


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > MAX_NAME or any(category(c) in _NO_TEXT and not c.isspace() for c in value):
        raise ValueError(f"holds {_shown(value)}; a text without control characters is legal")
    return value


def _shown(value: Any) -> str:
    return ascii(value)[:40]


def _some(read: Callable[[Any], _Value]) -> Callable[[Any], tuple[_Value, ...]]:
    """A list of such values."""

    def read_all(values: Any) -> tuple[_Value, ...]:
        if type(values) not in (list, tuple) or len(values) > MAX_VALUES:
            raise ValueError(f"is no list of at most {MAX_VALUES:,} values")
        return tuple([read(value) for value in values])

    return read_all


def _row(*readers: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """As many values as there are readers, each read by its own."""

    def read_row(values: Any) -> tuple[Any, ...]:
        if type(values) not in (list, tuple) or len(values) != len(readers):
            raise ValueError(f"holds {_shown(values)}; {len(readers)} values belong together")
        return tuple([read(value) for read, value in zip(readers, values)])

    return read_row


def _part(value: Any) -> Part:
    if not isinstance(value, Mapping) or set(value) != {"program", "is_drum", "name"}:
        raise ValueError(f"holds {_shown(value)}; a part has a program, is_drum and a name")
    return Part(_number(value["program"]), _flag(value["is_drum"]), _text(value["name"]))


_READERS: dict[str, Callable[[Any], Any]] = {
    "shifts": _some(_number),
    "parts": _some(_part),
    "pitches": _row(_number, _number),
    "durations": _some(_number),
    "velocities": _some(_number),
    "time_signatures": _some(_row(_number, _number)),
    "tempi": _some(_number),
    "keys": _some(_row(_number, _text)),
    "changes": _row(_flag, _flag, _flag),
    "monophonic": _some(_flag),
    "legato": _some(_flag),
    "ticks_per_quarter": _number,
    "pedal": _flag,
}
