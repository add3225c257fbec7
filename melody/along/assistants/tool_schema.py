"""What a tool takes, as a JSON Schema: from the signature and the help of the method behind it, and the kinds of limits.

Nothing is listed here a second time. Names and types come from the signature, in which `melody.arguments.keywords` shows
what the method takes; the sentences come from the section "Parameters" of its docstring; what a limit may be comes from
`melody.limits.kinds`. The method itself refuses what does not fit, in its own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, cleandoc, signature
from types import NoneType
from typing import Any, get_args

from melody.limits.kinds import KINDS, Kind

Schema = dict[str, Any]
_NUMBERS = {int: "integer", float: "number", bool: "boolean"}


def schema_of(
    method: Callable[..., Any], *, own: Mapping[str, Schema], required: Collection[str], without: Collection[str] = ()
) -> Schema:
    """The schema of a tool.

    Parameters
    ----------
    method
        What does the work.
    own
        Properties that are the tool's own, or otherwise than the method has them; they come first.
    required
        Properties that must be given.
    without
        Parameters of the method that the tool does not take.
    """
    explained = explanations(method.__doc__ or "")
    properties = dict(own)
    for name, parameter in signature(method).parameters.items():
        if name not in properties and name != "self" and name not in without:
            properties[name] = _property(name, parameter, explained[name])
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _property(name: str, parameter: Parameter, description: str) -> Schema:
    schema = of_kind(KINDS[name]) if name in KINDS else _of_type(parameter.annotation)
    default = parameter.default
    known = {} if default is None or default is Parameter.empty or isinstance(default, str) else {"default": default}
    return {**schema, **known, "description": description}


def of_kind(kind: Kind) -> Schema:
    """What a limit of a kind may be.

    >>> from melody.limits.kinds import KINDS
    >>> of_kind(KINDS["max_leap"]), of_kind(KINDS["metre"])
    ({'type': 'integer', 'minimum': 1, 'maximum': 127}, {'type': 'string', 'examples': ['3/4', '6/8']})
    """
    if kind.read is None:
        return {"type": "boolean"}
    if kind.bounds is not None:
        low, high = kind.bounds
        return {"type": "integer" if kind.is_whole else "number", "minimum": low, "maximum": high}
    return {"type": "string", "examples": list(kind.examples)}


def _of_type(annotation: Any) -> Schema:
    """A number if it may be one and nothing else but its text; a mapping; else a text, as which all else can be written."""
    members = set(get_args(annotation) or (annotation,)) - {NoneType, str}
    if len(members) == 1 and (only := members.pop()) in _NUMBERS:
        return {"type": _NUMBERS[only]}
    if any(getattr(member, "__origin__", None) is not None and "Mapping" in str(member) for member in get_args(annotation)):
        return {"type": "object", "additionalProperties": {"type": "string"}}
    return {"type": "string"}


def explanations(doc: str) -> dict[str, str]:
    """What the section "Parameters" of a docstring says of each of them.

    >>> explanations('''Nothing.
    ...
    ...     Parameters
    ...     ----------
    ...     a, b
    ...         Two of
    ...         them.
    ...     ''')
    {'a': 'Two of them.', 'b': 'Two of them.'}
    """
    section = cleandoc(doc).partition("Parameters\n----------\n")[2]
    section = re.split(r"\n\n?[A-Z][a-z]+\n-+\n", section)[0]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.split(",")]
        elif line.strip():
            found |= {name: f"{found.get(name, '')} {line.strip()}".strip() for name in names}
    return found
