"""New tunes, and what all tasks that sample by chance, by search or by the best of many have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from melody.errors import SamplingError
from melody.limits import Limits, check
from melody.sampling.constraints.constraint import Constraint, Masks
from melody.sampling.constraints.user import user_limits
from melody.sampling.constraints.user.headers import with_headers
from melody.sampling.decoder import Decoder, Frontier
from melody.sampling.loaded import LONGEST, Source
from melody.sampling.provenance import provenance
from melody.sampling.quality import MOST_IN_A_ROW, ends_well, faults, longest_run
from melody.sampling.result import Result
from melody.sampling.search import Search
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.ancestral import Sample, Streams
from melody.sampling.strategies.beam import Beam, check_no_chance
from melody.sampling.strategies.rejection import Draws
from melody.tokens.grammar import Grammar
from melody.tokens.vocabulary import END, TIME

_STREAMS = 64  # tunes sampled side by side
_LEAST = 0.2  # probability of an ending after an exact number of bars, for the model to be at one with it
_MASK_BYTES = 20_000_000


def new_tunes(source: Source, search: Search, limits: Limits, settings: SamplingSettings) -> Iterable[Result]:
    """New tunes, each as soon as it and those before it are made; all that are drawn, in the order of their numbers.

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

    Raises
    ------
    SamplingError
        If the limits cannot be kept.
    """
    samples = new_samples(source, search, limits, settings)
    return (_tune(source, tune, number, search, limits, settings) for number, tune in enumerate(samples))


def new_samples(source: Source, search: Search, limits: Limits, settings: SamplingSettings) -> Iterable[Sample]:
    """The events of new tunes; see `new_tunes`."""
    grammar = Grammar(source.vocabulary, 1, bars=limits.bars, count_pickup=False)
    constraints: list[Constraint] = []
    if limits.more_than_bars:
        check(limits, source.vocabulary)
        constraints = user_limits(source.vocabulary, limits)
    start = source.decoder.begin(Masks(grammar, constraints))
    may_redraw = not (search.ranks or settings.any_ending or settings.temperature == 0)
    worth = partial(ending_worth, source, is_forced=limits.bars is not None) if may_redraw else None
    return sampled(source.decoder, start, search, settings, source.most_events(settings, limits.bars), worth)


def _tune(source: Source, sample: Sample, number: int, search: Search, limits: Limits, settings: SamplingSettings) -> Result:
    texts = (described(source, settings, number, limits, search),)
    title = f"{source.file.name or 'melody'}, seed {settings.seed}, tune {number + 1}"
    piece = source.vocabulary.decode(sample.rows, title=title, texts=texts)
    remarks = broken_off(sample, source.most_events(settings, limits.bars), settings, limits.bars)
    made = Result(with_headers(piece, limits), removed=sample.removed, remarks=remarks, seed=settings.seed)
    return ranked(made, sample) if search.ranks else made


def sampled(
    decoder: Decoder,
    start: Frontier,
    search: Search,
    settings: SamplingSettings,
    most: int,
    worth: Callable[[Sample], float] | None = None,
) -> Iterable[Sample]:
    """As many sequences of events as the search wants, with what is known of them.

    One that is not worth 1 is drawn again, a few times, and the best one taken.
    """
    if search.beam is not None:
        check_no_chance(settings)
        return [Beam(decoder, start, search.beam, most).run()]
    streams = Streams(decoder, start, settings, most, weigh=search.ranks)
    at_once = min(max(_MASK_BYTES // start.masks.entries, 1), _STREAMS)  # as many as there is memory for their masks
    return Draws(streams, search.num_samples, at_once, worth).each()


def ending_worth(source: Source, sample: Sample, is_forced: bool) -> float:
    """How good the ending of a tune is, 0 to 1; 0, too, if it plays one pitch more often in a row than the corpus does.

    An ending that is forced may stand where the model would not end.
    """
    if len(sample.rows) >= LONGEST:  # it would take as long again, and end no better
        return 1.0
    piece, most = source.vocabulary.decode(sample.rows), max(source.prior.longest_run, MOST_IN_A_ROW)
    if not (has_ended(sample) and ends_well(piece)) or longest_run(piece) > most:
        return 0.0
    if not is_forced:
        return 1.0
    last_note = int(np.flatnonzero(source.vocabulary.is_note(sample.rows))[-1])
    return min(float(np.exp(-source.decoder.score([sample.rows])[0, last_note + 1 :].sum())) / _LEAST, 1.0)


def has_ended(sample: Sample) -> bool:
    """Whether the model ended it; it was broken off otherwise."""
    return bool(len(sample.rows)) and bool(sample.rows[-1, TIME] == END)


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


def ranked(made: Result, sample: Sample) -> Result:
    """The same with its likelihood a note and its faults."""
    notes = max(int(np.sum(made.piece.onset >= made.first_tick)), 1)
    wrong = faults(made.piece, ended=has_ended(sample), start=made.first_tick)
    return replace(made, nats=sample.nats / notes, faults=wrong)


def best(made: Sequence[Result], count: int) -> list[Result]:
    """The fewest faults first, then the likeliest."""
    return sorted(made, key=lambda tune: (len(tune.faults), tune.nats))[:count]


def described(source: Source, settings: SamplingSettings, number: int, limits: Limits, search: Search) -> str:
    """Where one of several tunes comes from, with its limits."""
    engine = source.runs_by if source.runs_by != "numpy" else None
    searched = {"engine": engine, "beam": search.beam, "best_of": search.best_of}
    return provenance(source.file, settings, number, limits.summary, **searched)
