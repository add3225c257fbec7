"""The fields with which a user steers: the schema of what `Model.generate` takes, in the words and groups of a page."""

from __future__ import annotations

import re
from typing import Any, get_type_hints

from melody.along.assistants.tool_schema import schema_of
from melody.sampling import Model
from melody.sampling.keywords import Drawing, Formed, Keeping

GROUPS = {"how": Drawing, "form": Formed, "keep": Keeping}
_KINDS = {"number": "number", "integer": "whole", "boolean": "yes", "string": "text"}


def fields() -> list[dict[str, Any]]:
    """One field a keyword.

    Each has a `name`, a `label`, a `help`, a `kind` ('number', 'whole', 'yes', 'text'), the `least` and the `most` that it
    may be (None where there is none, or `help` says it), an `example` (may be empty) and a `group`.
    """
    known = schema_of(Model.generate, own={}, required=())["properties"]
    return [_field(name, group, known[name]) for group, kind in GROUPS.items() for name in _names(kind)]


def _names(kind: type) -> list[str]:
    """Its keywords but the seed, which has a place of its own on the page."""
    return [name for name in get_type_hints(kind) if name != "seed"]


def _field(name: str, group: str, schema: dict[str, Any]) -> dict[str, Any]:
    words = _for_a_page(schema["description"])
    written = re.search(r"'([^']+)'", words)
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "help": words,
        "kind": _KINDS[schema["type"]],
        "least": schema.get("minimum"),
        "most": schema.get("maximum"),
        "example": schema["examples"][0] if "examples" in schema else written[1] if written else "",
        "group": group,
    }


def _for_a_page(text: str) -> str:
    """A sentence for who writes Python, for who fills in a form: what is None there is left alone here."""
    text = re.sub(r",? or a `\w+`|,?( or)? \((?:'[^)]*|\d[^)]*)\)", "", text)
    return text.replace("None for", "Left alone:").replace("`", "")
