"""`melody generate` and `melody continue`: a model in, tunes out. No torch, no Lightning, no music21 is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melody.cli import app
from melody.cli.copies import index_for
from melody.cli.options import Choosing, Keeping, Writing, grouped
from melody.cli.show import SCORES, read_tune, span_of
from melody.cli.writing_tunes import Made, Page, targets_of, with_remarks, write_tunes
from melody.errors import SamplingError

if TYPE_CHECKING:
    from melody.limits import Limits
    from melody.originality.index import Index
    from melody.piece import Piece
    from melody.sampling import Model, SamplingSettings
    from melody.sampling.model import EngineName
    from melody.sampling.result import Result
    from melody.sampling.search import Search
    from melody.sampling.tasks.midi_edit import Edited

_MOST_ROUNDS = 8  # in which copies are drawn again


def _names(incomplete: str) -> list[str]:
    """Models whose names begin so, for the shell."""
    from melody import models

    return [name for name in map(models.name_of, models.available()) if name.startswith(incomplete)]


ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model: its name, as melody models lists them, or its file.",
        show_default=False,
        autocompletion=_names,
    ),
]
Part = Annotated[
    str | None,
    typer.Option(
        metavar="PART",
        help="Which part: a number from 1, a track's name, melodic, highest. Default: all, or if the model does not know "
        "them together the most melodic one that it knows.",
        show_default=False,
    ),
]


@app.command()
@grouped
def generate(
    model: ModelName,
    keeping: Keeping,
    writing: Writing,
    choosing: Choosing,
    bars: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="How many bars, a pick-up not counted. Default: until the model ends it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write new tunes.

    Example: **melody generate fiddle --count 5 --bars 16 --key Dm --end-on-tonic --out tunes**
    """
    settings, limits, count = choosing.settings, keeping.limits(bars), writing.number
    loaded = find_model(model, choosing.runner, choosing.memory)
    targets = targets_of(writing, loaded.file.name, str(settings.seed))
    index = index_for(loaded.file, model)

    def draw(number: int, later: int) -> Iterable[Made]:
        for place, t in _tunes(loaded, number, limits, choosing, later):
            yield Made(t.piece, 0, t.remarks, removed=t.removed, nats=t.nats, faults=(*t.faults, *t.remarks), number=place)

    made = _originals(draw, count, index) if choosing.original else draw(count, 0)
    page = Page(f"New tunes from {loaded.file.name}", loaded, settings, limits, index)
    write_tunes(made, targets, choosing, writing, page)


def _tunes(
    model: Model, count: int, limits: Limits, choosing: Choosing, later: int = 0
) -> Iterable[tuple[int | None, Result]]:
    """Tunes as they are made, each with its number, with the seed or one that comes later.

    One after another, without a number, where the best of them are wanted, or those that are no copies.
    """
    settings = replace(choosing.settings, seed=choosing.settings.seed + later)
    if any(value is not None for value in choosing.search.values()):
        return ((None, tune) for tune in model.tunes(count, limits=limits, settings=settings, **choosing.search))
    if choosing.original:
        return ((None, tune) for tune in model.each_tune(count, limits=limits, settings=settings))
    return ((tune.number, tune) for tune in model.each_tune(count, in_order=False, limits=limits, settings=settings))


def _originals(draw: Callable[[int, int], Iterable[Made]], count: int, index: Index | None) -> Iterable[Made]:
    """Tunes that are no copies; instead of those that are, others with the seeds that follow. How often is reported.

    Parameters
    ----------
    draw
        Makes so many tunes, with a seed so much later.
    count
        How many are wanted.
    index
        Of the model's training pieces.

    Raises
    ------
    SamplingError
        If it cannot be known, or too many are copies.
    """
    from melody.cli.screen import say
    from melody.originality.wording import finding_on

    if index is None or index.norm is None:
        why = "has no index of its training pieces" if index is None else "has too few held-out tunes to tell what is usual"
        raise SamplingError(f"--original cannot be kept: the model {why} (see melody originality)")
    lacking, copies = count, 0
    for later in range(_MOST_ROUNDS):
        for tune in draw(lacking, later):
            found = finding_on(index, tune.piece, tune.prompt_end)
            copies += found is not None and found.is_copy
            if found is None or not found.is_copy:
                lacking -= 1
                if not lacking:
                    say(f"--original: {copies:,} of {count + copies:,} tunes were copies and were drawn again")
                yield tune
        if not lacking:
            return
    raise SamplingError(
        f"--original cannot be kept: {copies:,} of {count - lacking + copies:,} tunes were copies; raise --temperature"
    )


@app.command(name="continue")
@grouped
def continue_(
    model: ModelName,
    keeping: Keeping,
    writing: Writing,
    choosing: Choosing,
    prompt: Annotated[
        Path | None,
        typer.Argument(metavar="TUNE", help="The tune to go on with: MIDI, MusicXML, ABC, Humdrum.", show_default=False),
    ] = None,
    notes: Annotated[
        str | None,
        typer.Option(metavar="NOTES", help="Notes to go on with instead of a file: 'D4/8 E F# A r/4'.", show_default=False),
    ] = None,
    bars: Annotated[str, typer.Option(metavar="NUMBER", help="How many bars to add.")] = "8",
    part: Part = None,
    prompt_bars: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST-LAST",
            help="Only these bars of the prompt, as 1-4 (a pick-up is bar 0), in a file of their own.",
            show_default=False,
        ),
    ] = None,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="Write the new bars alone, without the prompt, in a file of their own.")
    ] = False,
) -> None:
    """Go on with a melody you have, in its tempo, metre and instrument; what it keeps to is about the new bars.

    A MIDI file stays as it was but for the new notes, where they come from as a text, and the signature of --key: other
    tracks, controllers, lyrics and markers are not touched.

    Example: **melody continue fiddle my-tune.mid --bars 8 --out longer.mid**
    """
    from melody.cli.screen import say
    from melody.sampling.search import Search
    from melody.sampling.tasks.file_prompt import bars_as_meant, put_right
    from melody.sampling.tasks.midi_edit import continue_some
    from melody.sampling.tasks.typed_notes import typed

    if (prompt is None) == (notes is None):
        raise SamplingError("give the tune to go on with: a file, or --notes 'D4/8 E F# A', and only one of the two")
    settings, limits = choosing.settings, keeping.limits(bars)
    loaded = find_model(model, choosing.runner, choosing.memory)
    stem = prompt.stem if prompt else "notes"
    targets = targets_of(writing, stem, loaded.file.name, str(settings.seed), source=prompt)
    index = index_for(loaded.file, model)

    in_order = choosing.original or Search(writing.number, **choosing.search).ranks

    def draw(number: int, later: int) -> Iterable[Made]:
        search, chosen = Search(number, **choosing.search), replace(settings, seed=settings.seed + later)
        if prompt and prompt.suffix.lower() not in SCORES and not only_new and prompt_bars is None:
            return _in_its_file(loaded, prompt, part, search, limits, chosen, in_order=in_order)
        if prompt and (mended := put_right(prompt, loaded.vocabulary.ticks_per_quarter)):
            for repair in mended.repairs:
                say(f"{prompt.name}: {repair}")
            some = mended if prompt_bars is None else mended.bars(*span_of("prompt-bars", prompt_bars))
            if not only_new:
                continued = continue_some(loaded, some, part, search, limits, chosen, in_order=in_order)
                return (replace(_made(there), as_read=read) for there, read in continued)
            how = {"only_new": True, "in_order": in_order}
            return _in_a_file_of_its_own(loaded, some.read, part, search, limits, chosen, **how)
        given = read_tune(prompt) if prompt else typed(loaded.vocabulary, notes or "", limits)
        music = given if prompt_bars is None else bars_as_meant(given, *span_of("prompt-bars", prompt_bars))
        how = {"only_new": only_new, "in_order": in_order}
        return _in_a_file_of_its_own(loaded, music, part, search, limits, chosen, **how)

    made = _originals(draw, writing.number, index) if choosing.original else draw(writing.number, 0)
    made = (replace(tune, number=None) for tune in made) if in_order else made
    heading = f"{stem}, gone on with by {loaded.file.name}"
    page = Page(heading, loaded, settings, limits, index)
    write_tunes(with_remarks(made, "the prompt"), targets, choosing, writing, page)


def _in_its_file(
    model: Model,
    prompt: Path,
    part: str | None,
    search: Search,
    limits: Limits,
    settings: SamplingSettings,
    *,
    in_order: bool,
) -> Iterator[Made]:
    """New notes put into the bytes of a MIDI file."""
    from melody.sampling.tasks.midi_edit import each_continuation

    how: dict[str, Any] = {"search": search, "limits": limits, "settings": settings, "in_order": in_order}
    return (_made(edited.made, edited) for edited in each_continuation(model, prompt, part=part, **how))


def _in_a_file_of_its_own(
    model: Model,
    prompt: Piece,
    part: str | None,
    search: Search,
    limits: Limits,
    settings: SamplingSettings,
    *,
    only_new: bool,
    in_order: bool,
) -> Iterator[Made]:
    """The part of the prompt that the model reads and the new music, or the new music alone."""
    from melody.sampling.tasks.continuation import continuations
    from melody.sampling.tasks.midi_edit import reading_of

    chosen = reading_of(model, prompt, part, limits)
    for made in continuations(model, chosen.piece, search, limits, settings, only_new=only_new, in_order=in_order):
        yield _made(replace(made, remarks=(*chosen.remarks, *made.remarks)))


def _made(done: Result, in_file: Edited | None = None) -> Made:
    found = (done.piece, done.first_tick, done.remarks, done.first_bar, done.removed, done.nats, done.faults)
    return Made(*found, in_file=in_file, number=done.number)


def find_model(name: str, engine: EngineName = "numpy", memory: str | None = None) -> Model:
    """The model of that path or name, see `melody.models.find`."""
    from melody import models
    from melody.sampling import load

    return load(models.find(name), engine, memory)
