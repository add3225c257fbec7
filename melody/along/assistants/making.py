"""Tools that make music: what they write is read back first, and keeps to the limits that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melody import files, midi
from melody.along import tune_files
from melody.along.assistants.answers import about_tune
from melody.along.assistants.requests import Given, count_of, index_beside, model_of, text_of
from melody.along.assistants.workspace import Workspace
from melody.errors import ArgumentError
from melody.limits import Limits
from melody.limits.verifying import ensure
from melody.originality.index import Index
from melody.piece import TICKS_PER_QUARTER, Piece
from melody.sampling.keywords import Drawing, flag, limits_of, search_of, settings_of, span_of, whole
from melody.sampling.result import Result
from melody.sampling.search import Search
from melody.sampling.settings import VOICES_TEMPERATURE, SamplingSettings
from melody.sampling.tasks.file_prompt import put_right
from melody.sampling.tasks.midi_edit import Edited

NEW_BARS = 8  # after a tune, if no number is asked for


@dataclass(frozen=True)
class _Writing:
    """Where the tunes of one call go, and what there is to remark."""

    workspace: Workspace
    given: Given
    stem: str
    settings: SamplingSettings
    limits: Limits | None = None
    index: Index | None = None

    def __post_init__(self) -> None:
        if "out" in self.given and count_of(self.given) > 1:
            raise ArgumentError("out names one file, and several tunes were asked for; leave out one of the two")
        self._path(1)  # what may not be written is refused before it is made

    def _path(self, number: int) -> Path:
        made_up = f"{self.stem}-{self.settings.seed}-{number:02}.mid"
        return self.workspace.new(self.given.get("out"), made_up, (".mid", ".midi"))

    def all(self, made: Sequence[Result | Edited], remarks: Sequence[str] = ()) -> dict[str, Any]:
        """Write each tune, which has been read back and keeps to the limits; the answer."""
        tunes = [self._one(tune, number) for number, tune in enumerate(made, 1)]
        answer = {"tunes": tunes, "seed": self.settings.seed}
        return answer | ({"remarks": list(remarks)} if remarks else {})

    def _one(self, tune: Result | Edited, number: int) -> dict[str, Any]:
        result = tune.made if isinstance(tune, Edited) else tune
        data = tune.data if isinstance(tune, Edited) else midi.to_bytes(tune.piece)
        if self.limits is not None and self.limits != Limits():
            if isinstance(tune, Edited):
                tune.ensure(self.limits)
            else:
                again = midi.parse(data, ticks_per_quarter=result.piece.ticks_per_quarter).piece
                ensure(again, self.limits, start=result.first_tick, first_bar=result.first_bar)
        path = self._path(number)
        files.write_bytes(path, data)
        limited = self.limits is not None and self.limits.more_than_bars
        return about_tune(self.workspace, path, result, self.index, limited)


def generate(workspace: Workspace, given: Given) -> dict[str, Any]:
    """Write new tunes in the style of a model, as MIDI files.

    Every limit that is given (key, range, leaps, chords, number of bars ...) holds for certain: it is a mask on what may be
    chosen, and each file is read back and checked. The answer has the notes in ABC.
    """
    model, path = model_of(workspace, given)
    limits, settings = limits_of(given, given.get("bars"), None), settings_of(given, None)
    search: dict[str, Any] = search_of(given)
    writing = _Writing(workspace, given, model.file.name, settings, limits, index_beside(model, path))
    return writing.all(model.tunes(count_of(given), limits=limits, settings=settings, **search))


def continue_(workspace: Workspace, given: Given) -> dict[str, Any]:
    """Go on with a tune: a file, or notes that are typed.

    The tune keeps its notes, tempo, metre and instrument; limits are about the new bars, 8 if no number is given. All else
    in a MIDI file stays as it was.
    """
    from melody.sampling.tasks.midi_edit import continue_file
    from melody.sampling.tasks.typed_notes import typed

    model, path = model_of(workspace, given)
    limits, settings = limits_of(given, given.get("bars", NEW_BARS), None), settings_of(given, None)
    alone, part = flag("only_new", given.get("only_new", False)), given.get("part")
    if ("tune" in given) == ("notes" in given):
        raise ArgumentError("give the tune to go on with: a file as tune, or notes, and only one of the two")
    writing = _Writing(workspace, given, f"continued-{model.file.name}", settings, limits, index_beside(model, path))
    search = Search(count_of(given), **search_of(given))
    prompt: Piece | Path
    repairs: tuple[str, ...] = ()
    if "notes" in given:
        prompt = typed(model.vocabulary, text_of("notes", given["notes"]), limits)
    else:
        tune = workspace.existing(given["tune"], "tune")
        if not tune_files.is_score(tune) and not alone:
            named = None if part is None else str(part)
            return writing.all(continue_file(model, tune, part=named, search=search, limits=limits, settings=settings))
        prompt, repairs = _prompt(tune)
    how: dict[str, Any] = {"part": part, "only_new": alone, "limits": limits, "settings": settings, **search_of(given)}
    return writing.all(model.continue_many(prompt, search.count, **how), repairs)


def vary(workspace: Workspace, given: Given) -> dict[str, Any]:
    """Rewrite some bars of a tune, with regard to what stands before and after them.

    Limits are about the new notes. Nothing else in a MIDI file changes.
    """
    from melody.sampling.tasks.infill import VarySettings
    from melody.sampling.tasks.midi_edit import vary_file

    model, _ = model_of(workspace, given)
    tune, count, settings = workspace.existing(given["tune"], "tune"), count_of(given), settings_of(given, None)
    limits, part = limits_of(given, None, None), given.get("part")
    numbers: dict[str, Any] = {name: whole(name, given[name]) or 0 for name in ("candidates", "rounds") if name in given}
    writing = _Writing(workspace, given, f"{tune.stem}-varied", settings)
    if not tune_files.is_score(tune):
        how: dict[str, Any] = {"part": None if part is None else str(part), "how": VarySettings(**numbers)}
        varied = vary_file(model, tune, *span_of(given["bars"]), count=count, limits=limits, settings=settings, **how)
        return writing.all(varied)
    found = tune_files.read(tune)
    made = model.vary_many(found.piece, given["bars"], count, part=part, limits=limits, settings=settings, **numbers)
    return writing.all(made, found.repairs)


def harmonize(workspace: Workspace, given: Given) -> dict[str, Any]:
    """Set a melody of one part for the model's other parts, such as four voices; the melody stays as it is.

    Takes a model of several parts, as the tool models says.
    """
    model, _ = model_of(workspace, given)
    tune = workspace.existing(given["melody"], "melody")
    (music, repairs), settings = _prompt(tune), settings_of(given, None, VOICES_TEMPERATURE)
    own = {"model", "melody", "count", "out", *Drawing.__annotations__}
    voices = {name: value for name, value in given.items() if name not in own}
    writing = _Writing(workspace, given, f"{tune.stem}-harmonized", settings)
    return writing.all(model.harmonize_many(music, count_of(given), settings=settings, **voices), repairs)


def _prompt(tune: Path) -> tuple[Piece | Path, tuple[str, ...]]:
    """The music in a file, with what was repaired in it; or the file, where the library puts its time right and says so."""
    if put_right(tune, TICKS_PER_QUARTER):
        return tune, ()
    found = tune_files.read(tune)
    return found.piece, found.repairs
