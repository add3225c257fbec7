"""New tunes, and what all tasks that sample by chance, by search or by the best of many have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from melody.errors import SamplingError
from melody.limits import Limits, check
from melody.piece import Piece
from melody.sampling.constraints.constraint import Constraint, Masks
from melody.sampling.constraints.user import user_limits
from melody.sampling.constraints.user.headers import with_headers
from melody.sampling.decoder import Decoder, Frontier
from melody.sampling.loaded import Source
from melody.sampling.outlines.line_ups import LineUps
from melody.sampling.outlines.starts import Starts
from melody.sampling.provenance import provenance
from melody.sampling.result import Result
from melody.sampling.search import Search
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.ancestral import Sample, Streams
from melody.sampling.strategies.beam import Beam, check_no_chance
from melody.sampling.strategies.drawing import Job
from melody.sampling.strategies.rejection import Draws
from melody.sampling.tasks.acceptance import Acceptance, has_ended
from melody.tokens.grammar import Grammar
from melody.tokens.inputs.outlines.outline import Outline
from melody.tokens.vocabulary import Rows

Watch = Callable[[Callable[[], Piece]], None]
_STREAMS = 64  # tunes sampled side by side
_MASK_BYTES = 20_000_000


def new_tunes(
    source: Source,
    search: Search,
    limits: Limits,
    settings: SamplingSettings,
    watch: Watch | None = None,
    *,
    in_order: bool = True,
) -> Iterable[Result]:
    """New tunes, each as soon as it and those before it are made; all that are drawn.

    Parameters
    ----------
    source
        Whose style.
    search
        How many, and how they are looked for.
    limits
        What they keep to; a pick-up does not count among the bars.
    settings
        How tokens are chosen.
    watch
        Called with each event of the first try of the first tune; what it is given gives the music so far.
    in_order
        Whether they come in the order of their numbers; or else each as soon as it is made.

    Raises
    ------
    SamplingError
        If the limits cannot be kept.
    """
    acceptance, samples = _sampled(source, search, limits, settings, watch, in_order=in_order)
    return (_tune(source, tune, acceptance) for tune in samples)


def new_samples(source: Source, search: Search, limits: Limits, settings: SamplingSettings) -> Iterable[Sample]:
    """The events of new tunes; see `new_tunes`."""
    return _sampled(source, search, limits, settings)[1]


def _starts(source: Source, limits: Limits, settings: SamplingSettings) -> tuple[Starts, Limits]:
    """Where new tunes begin, and the limits with the bars of their form."""

    def begin(outline: Outline | None, line_up: Sequence[Constraint]) -> Frontier:
        own = masks.take(np.zeros(1, np.int64))
        return source.decoder.begin(own.narrowed(line_up) if line_up else own, outline)

    line_ups = LineUps(source.vocabulary, source.outlines, limits)
    in_a_row = None if settings.any_ending else source.prior.most_in_a_row
    known = source.outlines, settings, limits, source.vocabulary
    starts = Starts(begin, *known, line_ups=line_ups, most_in_a_row=in_a_row)
    limits = replace(limits, bars=starts.bars)
    constraints = source.rules(settings)
    if limits.more_than_bars:
        check(limits, source.vocabulary)
        constraints += user_limits(source.vocabulary, limits)
    masks = Masks(Grammar(source.vocabulary, 1, bars=limits.bars, count_pickup=False), constraints)
    return starts, limits


def _sampled(
    source: Source,
    search: Search,
    limits: Limits,
    settings: SamplingSettings,
    watch: Watch | None = None,
    *,
    in_order: bool = True,
) -> tuple[Acceptance, Iterable[Sample]]:
    """The events of new tunes, and what decides which are kept."""
    settings = settled(source, search, settings)
    starts, limits = _starts(source, limits, settings)

    def piece_of(sample: Sample) -> tuple[Piece, int]:
        return with_headers(source.vocabulary.decode(sample.rows), limits), 0

    acceptance = Acceptance(source, search, settings, limits, piece_of, starts.outline, as_new=True)
    most = source.most_events(settings, limits.bars)
    watched = watched_by(watch, lambda rows: piece_of(Sample(rows, float("nan"), 0.0))[0])
    return acceptance, sampled(source.decoder, starts, acceptance, most, watched, in_order=in_order)


def _tune(source: Source, sample: Sample, acceptance: Acceptance) -> Result:
    search, limits, settings = acceptance.search, acceptance.limits, acceptance.settings
    number = sample.number
    texts = (described(source, settings, number, limits, search),)
    title = f"{source.file.name or 'melody'}, seed {settings.seed}, tune {number + 1}"
    piece = source.vocabulary.decode(sample.rows, title=title, texts=texts)
    remarks = broken_off(sample, source.most_events(settings, limits.bars), settings, limits.bars)
    made = Result(with_headers(piece, limits), removed=sample.removed, remarks=remarks, seed=settings.seed, number=number)
    short = acceptance.shortened(sample, made.piece)
    if short is None:
        return assessed(made, sample, acceptance)
    why = f"it stood still from bar {piece.first_bar + (sample.stuck or 0)} on, and ends before; ask for a number of bars"
    return replace(made, piece=short, remarks=(why,), faults=acceptance.left(sample, short))


def settled(source: Source, search: Search, settings: SamplingSettings) -> SamplingSettings:
    """The settings with the model's own temperatures where none is given.

    Raises
    ------
    SamplingError
        If something is to be drawn by chance in a search without any.
    """
    if search.beam is not None:
        check_no_chance(settings)
    return settings.settled(source.file.training)


def sampled(
    decoder: Decoder,
    starts: Starts,
    acceptance: Acceptance,
    most: int,
    watch: Callable[[Job, Rows], None] | None = None,
    *,
    in_order: bool = True,
) -> Iterable[Sample]:
    """As many sequences of events as the search wants, with what is known of them, none of more than `most` events.

    They come in the order of their numbers, or else each as soon as it is made. One that is not worth 1 is drawn again,
    a few times, and the best one taken.
    """
    search, worth = acceptance.search, acceptance.worth
    if search.beam is not None:
        return [Beam(decoder, starts(0), search.beam, most).run()]
    streams = Streams(
        decoder,
        starts,
        acceptance.settings,
        most,
        weigh=search.ranks,
        weigh_ending=acceptance.weighs_ending,
        most_in_a_row=acceptance.endless_from,
        stuck_from=acceptance.stuck_from,
        watch=watch,
    )
    at_once = min(max(_MASK_BYTES // starts(0).masks.entries, 1), _STREAMS)  # as many as there is memory for their masks
    draws = Draws(streams, search.num_samples, at_once, worth)
    return draws.each() if in_order else (sample for _, sample in draws.as_made())


def watched_by(watch: Watch | None, piece_of: Callable[[Rows], Piece]) -> Callable[[Job, Rows], None] | None:
    """What hands the first try of the first tune on to whoever watches it; None if nobody does."""
    if watch is None:
        return None

    def hand_on(job: Job, rows: Rows) -> None:
        if job == Job(0, 0):
            watch(lambda: piece_of(rows))

    return hand_on


def broken_off(sample: Sample, most: int, settings: SamplingSettings, bars: int | None) -> tuple[str, ...]:
    """That the model did not end a tune, if it did not and nobody asked for so many events.

    Raises
    ------
    SamplingError
        If bars were to be filled and are not.
    """
    if has_ended(sample) or len(sample.rows) < most or settings.max_notes:
        return ()
    if bars is not None:
        raise SamplingError(
            f"the model has written {most:,} events and {bars:,} bars are not full; take another model or seed"
        )
    return (f"the model did not end it: it was broken off after {most:,} events; ask for a number of bars",)


def assessed(made: Result, sample: Sample, acceptance: Acceptance) -> Result:
    """The same with its faults, and its likelihood a note if the best are wanted."""
    if not acceptance.search.ranks:
        return replace(made, faults=acceptance.left(sample))
    notes = max(int(np.sum(made.piece.onset >= made.first_tick)), 1)
    return replace(made, nats=sample.nats / notes, faults=acceptance.faults(sample))


def best(made: Sequence[Result], count: int) -> list[Result]:
    """The fewest faults first, of these the most typical: those as likely, by the note, as tunes of the model mostly are.

    Likelihood alone would choose those that repeat themselves most, and what is nearest in form to the corpus's mean has not
    the corpus's variety (`scripts/measure_best_of.py`).
    """
    typical = float(np.median([tune.nats for tune in made]))
    return sorted(made, key=lambda tune: (len(tune.faults), abs(tune.nats - typical), tune.nats))[:count]


def described(source: Source, settings: SamplingSettings, number: int, limits: Limits, search: Search) -> str:
    """Where one of several tunes comes from, with its limits."""
    searched = {"beam": search.beam, "best_of": search.best_of}
    return provenance(source.file, settings, number, limits.summary, **source.running, **searched)
