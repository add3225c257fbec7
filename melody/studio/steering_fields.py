"""The fields with which a user steers, made from the keywords themselves: their names, kinds and explanations stand once."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import Any, get_type_hints

from melody.sampling.keywords import Drawing, Formed, Keeping, Pitched

GROUPS = {"how": Drawing, "form": Formed, "keep": Keeping}
_ENTRY = re.compile(r"^(\w+(?:, \w+)*)\n((?:    .*\n?)+)", re.MULTILINE)


def fields() -> list[dict[str, Any]]:
    """One field a keyword: `name`, `label`, `help`, `kind` ('number', 'whole', 'yes', 'text'), `example`, `group`."""
    return [_field(name, group) for group, kind in GROUPS.items() for name in _names(kind) if name != "seed"]


def _names(kind: type) -> list[str]:
    return list(get_type_hints(kind))


def _field(name: str, group: str) -> dict[str, Any]:
    kind, words = GROUPS[group], _explained()[name]
    hint = get_type_hints(kind)[name]
    types = {str(one) for one in getattr(hint, "__args__", (hint,))}
    shape = "yes" if hint is bool else "number" if str(float) in types else "whole" if str(int) in types else "text"
    if name in ("range", "instruments", "scale", "velocity", "metre"):  # several numbers, written as a text
        shape = "text"
    example = re.search(r"'([^']+)'", words)
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "help": words,
        "kind": shape,
        "example": example[1] if example else "",
        "group": group,
    }


def _explained() -> dict[str, str]:
    """What each keyword means, from the docstrings of their classes."""
    found: dict[str, str] = {}
    for kind in (*GROUPS.values(), Pitched):
        for names, text in _ENTRY.findall(cleandoc(kind.__doc__ or "") + "\n"):
            for name in names.split(", "):
                found[name] = _for_a_page(" ".join(text.split()))
    return found


def _for_a_page(text: str) -> str:
    """A sentence for who writes Python, for who fills in a form: what is None there is empty here."""
    text = re.sub(r",? or a `\w+`|,?( or)? \((?:'[^)]*|\d[^)]*)\)", "", text)
    return text.replace("None for", "Empty for").replace("`", "")
