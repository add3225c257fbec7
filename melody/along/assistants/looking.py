"""Tools that look at music, and show it: as data, as sound, on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from melody import models as known
from melody.along import tune_files
from melody.along.assistants.answers import about_piece
from melody.along.assistants.requests import Given, loaded, model_of
from melody.along.assistants.workspace import Workspace
from melody.errors import MelodyError
from melody.general_midi import instrument_name
from melody.originality.index import index_of
from melody.sampling.keywords import span_of
from melody.score.engraving import WRITES


def originality(workspace: Workspace, given: Given) -> dict[str, Any]:
    """Compare a tune with all that a model was trained on, whatever key and tempo.

    Is it a copy, and what is the longest run of notes that it shares, with which piece?
    """
    from melody.originality.finding import compare
    from melody.originality.wording import as_dict

    model, path = model_of(workspace, given)
    found = tune_files.read(workspace.existing(given["tune"], "tune"))
    index = index_of(model.file, path)
    return {"model": model.file.name, **as_dict(index, compare(index, found.piece)), "repairs": list(found.repairs)}


def render(workspace: Workspace, given: Given) -> dict[str, Any]:
    """Make a tune sound: a WAV file with General MIDI instruments."""
    from melody.render import is_silenced, render_wav

    tune = workspace.existing(given["tune"], "tune")
    out = workspace.new(given.get("out"), f"{tune.stem}.wav", (".wav",))
    found = tune_files.read_performed(tune)
    if found.performance is not None and is_silenced(found.performance, found.piece):
        raise MelodyError(f"{tune.name}: its own volume is 0 from beginning to end, so there is nothing to be heard")
    render_wav(found.piece, out, performance=found.performance)
    seconds = float(found.piece.seconds(found.piece.length))
    return {"file": workspace.relative(out), "seconds": round(seconds, 2), "remarks": list(found.repairs)}


def score(workspace: Workspace, given: Given) -> dict[str, Any]:
    """Engrave a tune as a score, in the format that the name of `out` ends in; by default a PDF.

    It can be .svg, .png, .pdf, .musicxml, .mxl or .abc.
    """
    from melody.score.engraving import write_score

    tune = workspace.existing(given["tune"], "tune")
    out = workspace.new(given.get("out"), f"{tune.stem}.pdf", WRITES)
    found = tune_files.read(tune)
    piece = found.piece.bars(*span_of(given["bars"])) if "bars" in given else found.piece
    written = write_score(piece, out)
    return {"files": [workspace.relative(path) for path in written.paths], "remarks": [*found.repairs, *written.remarks]}


def read(workspace: Workspace, given: Given) -> dict[str, Any]:
    """Look at a tune: bars, metre, tempo, key, parts, and its notes in ABC if they are few."""
    found = tune_files.read(workspace.existing(given["tune"], "tune"))
    piece = found.piece.bars(*span_of(given["bars"])) if "bars" in given else found.piece
    return {"title": found.piece.title, **about_piece(piece), "remarks": list(found.repairs)}


def models(workspace: Workspace, given: Given) -> dict[str, Any]:
    """List the trained models: the music they learnt from, the parts and metres that they know. Call it first."""
    return {"models": [_described(path) for path in known.available()]}


def _described(path: Path) -> dict[str, Any]:
    name = known.name_of(path)
    try:
        model = loaded(path, path.stat().st_mtime_ns)
    except MelodyError as error:
        return {"name": name, "cannot_be_used": str(error)}
    vocabulary = model.vocabulary
    return {
        "name": name,
        "music": str(model.file.manifest.get("folder", "")),
        "pieces": model.file.manifest.get("counts", {}).get("kept"),
        "parts": [part.name or instrument_name(part) for part in vocabulary.parts],
        "metres": [f"{numerator}/{denominator}" for numerator, denominator in vocabulary.time_signatures],
        "can_harmonize": len(vocabulary.parts) > 1,
    }
