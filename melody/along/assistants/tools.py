"""The tools: what each is called, what it takes, what it does. Each calls the library as the command of its name does.

An answer is plain data. A mistake is a `MelodyError`, whose sentence is the answer then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import Parameter, Signature, cleandoc
from pathlib import Path
from typing import Any

from melody.along.assistants import looking, making
from melody.along.assistants.requests import MOST_TUNES, Given
from melody.along.assistants.tool_schema import Schema, schema_of
from melody.along.assistants.workspace import Workspace
from melody.arguments import check
from melody.sampling import Model

_MODEL: Schema = {"type": "string", "description": "Name of the model, as the tool models lists them; or a model file."}
_OUT: Schema = {"type": "string", "description": "File to write, in the folder; by default a new name is made up."}
_COUNT: Schema = {
    "type": "integer",
    "minimum": 1,
    "maximum": MOST_TUNES,
    "default": 1,
    "description": "How many different ones to write.",
}
_PART: Schema = {
    "type": "string",
    "description": "The part meant: a number from 1, a track's name, 'melodic' or 'highest'. By default all, or the most "
    "melodic one that the model understands.",
}
_BARS: Schema = {
    "type": "string",
    "examples": ["5-8"],
    "description": "First and last bar, as 5-8, or one alone; the first full bar is 1, a pick-up 0.",
}


def _object(required: Sequence[str] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _named(example: str) -> Schema:
    return {**_OUT, "examples": [example]}


def _file(what: str) -> Schema:
    return {"type": "string", "description": f"{what}: a MIDI, MusicXML, ABC or Humdrum file in the folder."}


_NOTES: Schema = {
    "type": "string",
    "examples": ["D4/8 E F# A r/4", "[C4 E G]/2"],
    "description": "Notes instead of a file: letter, accidental, octave, /length; /4. is dotted, /8t a triplet, r a rest, "
    "~ a tie, [C4 E G]/2 a chord. What is left out is as in the note before.",
}


@dataclass(frozen=True)
class Tool:
    """A tool.

    Parameters
    ----------
    name
        As the assistant sees it.
    run
        Does it, with a workspace and the arguments; the assistant reads its docstring.
    schema
        What it takes, a JSON Schema.
    writes
        Whether it writes files.
    """

    name: str
    run: Callable[[Workspace, Given], dict[str, Any]]
    schema: Schema
    writes: bool = True

    @property
    def description(self) -> str:
        """What it is for, as the assistant sees it."""
        return " ".join(cleandoc(self.run.__doc__ or "").split())

    @cached_property
    def signature(self) -> Signature:
        """The same as the schema, for checking a call."""
        required = self.schema["required"]
        names = sorted(self.schema["properties"], key=lambda name: name not in required)
        kinds = {True: Parameter.empty, False: None}
        return Signature([Parameter(n, Parameter.KEYWORD_ONLY, default=kinds[n in required]) for n in names])

    def call(self, folder: Path, given: Given) -> dict[str, Any]:
        """Check the names of the arguments, and do it.

        Raises
        ------
        MelodyError
            If one is unknown or missing, or the library refuses; one sentence that says what is legal.
        """
        named = {name: value for name, value in given.items() if value is not None}
        check(self.name, self.signature, (), named)
        return self.run(Workspace(folder), named)


_TUNE = _file("The tune")
_ALWAYS = ("self", "count", "limits", "settings")
TOOLS = {
    tool.name: tool
    for tool in (
        Tool("models", looking.models, _object(), writes=False),
        Tool(
            "generate",
            making.generate,
            schema_of(
                Model.generate, own={"model": _MODEL, "count": _COUNT, "out": _OUT}, required=["model"], without=_ALWAYS
            ),
        ),
        Tool(
            "continue",
            making.continue_,
            schema_of(
                Model.continue_,
                own={"model": _MODEL, "tune": _TUNE, "notes": _NOTES, "part": _PART, "count": _COUNT, "out": _OUT},
                required=["model"],
                without=(*_ALWAYS, "prompt"),
            ),
        ),
        Tool(
            "vary",
            making.vary,
            schema_of(
                Model.vary,
                own={"model": _MODEL, "tune": _TUNE, "bars": _BARS, "part": _PART, "count": _COUNT, "out": _OUT},
                required=["model", "tune", "bars"],
                without=(*_ALWAYS, "piece"),
            ),
        ),
        Tool(
            "harmonize",
            making.harmonize,
            schema_of(
                Model.harmonize,
                own={"model": _MODEL, "melody": _file("The melody"), "count": _COUNT, "out": _OUT},
                required=["model", "melody"],
                without=_ALWAYS,
            ),
        ),
        Tool("originality", looking.originality, _object(["tune", "model"], tune=_TUNE, model=_MODEL), writes=False),
        Tool("render", looking.render, _object(["tune"], tune=_TUNE, out=_named("tune.wav"))),
        Tool("score", looking.score, _object(["tune"], tune=_TUNE, bars=_BARS, out=_named("tune.pdf"))),
        Tool("read", looking.read, _object(["tune"], tune=_TUNE, bars=_BARS), writes=False),
    )
}
