"""Tunes sampled side by side.

Each tune has a random stream of its own, made from the seed and its number, so tune 7 of seed 3 is the same whether one tune
is asked for or a hundred, and whichever others are made beside it. A product of matrices is summed in another order for
another number of columns, though, so the last bits of a tune's logits depend on how many are computed together. Where a
choice hangs on them, the tune is read once more from its beginning, alone, and what is read then decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from melody.network import Floats, State
from melody.piece import Ints
from melody.sampling.choose import choose, choose_surely
from melody.sampling.decoder import Decoder, Frontier, Step
from melody.sampling.repetition import InARow, Loops
from melody.sampling.settings import SamplingSettings
from melody.sampling.strategies.bar_lines import LONG, Place, Places
from melody.sampling.strategies.drawing import Job, Own
from melody.tokens.grammar import Mask
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, Rows, changes_nothing

TO_CLOSE = 200  # events in which a tune under constraints has to come to its end
_NOTHING = np.zeros((0, len(FIELDS)), np.int64)


@dataclass(frozen=True)
class Sample:
    """The events of a tune.

    Parameters
    ----------
    rows
        The new ones, END included where the model ended by itself, (events, 5).
    nats
        Negative log likelihood of their notes, rests and end under the model among what the grammar allows, whatever the
        temperature. Metre, tempo and keys are not counted: limits may force them upon a model that finds them most unlikely.
        NaN if it was not asked for.
    removed
        The share of probability that constraints took away, the mean over all tokens; 0 without constraints.
    number
        Of the tune.
    ending_nats
        Negative log likelihood of what comes after the last note, END included, under the network alone, whatever is
        forbidden; NaN if it was not asked for.
    tries
        How many were drawn, this one the best of them.
    places
        Of a long tune, from where it can be gone on with in another way.
    stuck
        The bar from which it stands still; None if it does not.
    """

    rows: Rows
    nats: float
    removed: float
    number: int = 0
    ending_nats: float = float("nan")
    tries: int = 1
    places: tuple[Place, ...] = ()
    stuck: int | None = None


class Streams:
    """Tunes sampled side by side: one that has ended leaves, and others may begin at any time.

    Parameters
    ----------
    decoder
        Of the model.
    starts
        Where the tune of each number begins, one stream, as often as it is asked for.
    settings
        How tokens are chosen.
    most
        Events, after which a tune is ended.
    weigh
        Whether the likelihood is wanted.
    watch
        Called with the tune and its events so far, (events, 5), each time that it has one more.
    weigh_ending
        Whether that of what follows the last note is wanted.
    most_in_a_row
        A tune in which a part plays one pitch more often in a row is broken off: it would not come out of it. For each part
        of the vocabulary, (parts,); None if it is not.
    stuck_from
        Gives the bar from which events stand still, None if they do not: a long tune that does is broken off, but for the
        first try at one of a given number of bars, which ends in any case.
    """

    def __init__(
        self,
        decoder: Decoder,
        starts: Callable[[int], Frontier],
        settings: SamplingSettings,
        most: int,
        *,
        weigh: bool = False,
        watch: Callable[[Job, Rows], None] | None = None,
        weigh_ending: bool = False,
        most_in_a_row: NDArray[np.float64] | None = None,
        stuck_from: Callable[[Rows], int | None] | None = None,
    ) -> None:
        self._stuck_from = stuck_from or (lambda _: None)
        self._decoder, self._starts, self._settings, self._most = decoder, starts, settings, most
        self._watch = watch
        start = starts(0)
        self._jobs: list[Job] = []
        self._frontier = start.take(np.zeros(0, np.int64))
        self._is_limited = start.masks.may_dead_end
        self._weigh, self._weigh_ending = weigh or self._is_limited, weigh_ending
        self._own = Own(settings)
        penalty = settings.repetition_penalty
        self._loops = Loops(decoder.vocabulary, 0, penalty) if penalty > 1 else None
        self._in_a_row = None if most_in_a_row is None else InARow(decoder.vocabulary, 0, most_in_a_row)
        self._places = Places()
        self._is_alone = True  # there has never been more than one stream

    def __len__(self) -> int:
        return len(self._jobs)

    def begin(self, jobs: Collection[Job]) -> None:
        """Begin these tunes."""
        self._jobs += jobs
        starts = [job.place.begin() if job.place else self._starts(job.number) for job in jobs]
        begun = reduce(Frontier.join, starts)  # first, so that long ones are copied once
        self._frontier = self._frontier.join(begun)
        self._own.begin(jobs)
        for each in (self._loops, self._in_a_row):
            if each:
                each.begin([job.place.rows if job.place else _NOTHING for job in jobs])
        self._places.begin([job.place.bar if job.place else 0 for job in jobs])
        self._is_alone &= len(self._jobs) <= 1

    def drop(self, jobs: Collection[Job]) -> None:
        """Let these tunes go, unfinished; those that are not being made are passed over."""
        if any(job in jobs for job in self._jobs):
            self._keep(np.array([i for i, job in enumerate(self._jobs) if job not in jobs], np.int64))

    def grown_long(self) -> list[Job]:
        """The tunes that have become long with their last event, written from their beginning."""
        return [self._jobs[i] for i in np.flatnonzero(self._own.count == LONG).tolist() if self._jobs[i].place is None]

    def step(self) -> list[tuple[Job, Sample | None]]:
        """One more event for each tune; those that have ended so, None for one that came to a dead end."""
        if self._is_limited:
            self._frontier.masks.must_close = self._own.count >= self._most
        before = self._frontier.state, self._own.weights.copy(), self._own.ending_nats
        events, stuck = self._next()
        looked_at = self._remember(events, *before)
        self._own.push(events)
        for stream, job in enumerate(self._jobs if self._watch else ()):
            assert self._watch is not None
            self._watch(job, self._own.events_of(stream))
        late = self._own.count >= self._most + TO_CLOSE * self._is_limited
        if self._is_limited:
            stuck |= late & (events[:, TIME] != END)
        ended = (events[:, TIME] == END) | late | stuck
        if self._in_a_row:
            ended |= self._in_a_row.push(events)
        for stream in looked_at:
            bar = self._stuck_from(self._own.events_of(stream))
            if bar is None:
                continue
            self._places.pin(stream, bar)
            ended[stream] |= self._frontier.masks.grammar.bars is None or self._is_again(self._jobs[stream])
        found = [(self._jobs[i], None if stuck[i] else self._sample(i)) for i in np.flatnonzero(ended).tolist()]
        if found:
            going = np.flatnonzero(~ended)
            self._keep(going)
            events = events[going]
        self._push(events)
        return found

    def _is_again(self, job: Job) -> bool:
        """Whether another try at that tune comes to its end in any case."""
        return job.place is not None or (job.attempt > 0 and not self._is_limited)

    def _sample(self, stream: int) -> Sample:
        nats, removed, tokens = self._own.weights[stream].tolist()
        nats = nats if self._weigh else float("nan")
        ending_nats = float(self._own.ending_nats[stream]) if self._weigh_ending else float("nan")
        rows, masks = self._own.events_of(stream), self._frontier.masks
        stuck = self._stuck_from(rows) if len(rows) >= LONG // 2 else None
        until = int(masks.next_line()[stream]) if masks.grammar.bars is None and stuck is None else None
        number, places = self._jobs[stream].number, self._places.of(stream, until)
        return Sample(rows, nats, removed / max(tokens, 1), number, ending_nats, places=places, stuck=stuck)

    def _remember(
        self, events: Rows, state: State, weights: NDArray[np.float64], ending_nats: NDArray[np.float64]
    ) -> list[int]:
        """Where long tunes stood before events with which another bar begins; gives those that are to be looked at."""

        def place(stream: int, bar: int) -> Place:
            one = self._frontier.take(np.array([stream]))
            one.state = state.take(np.array([stream]))  # as it was before it had read the last event
            return Place(bar, self._own.events_of(stream), one, weights[stream], float(ending_nats[stream]))

        return self._places.come_to(self._frontier.masks.bars_of(events), self._own.count, place)

    def _keep(self, going: Ints) -> None:
        """Go on with these streams alone."""
        self._jobs = [self._jobs[i] for i in going.tolist()]
        self._frontier = self._frontier.take(going)
        self._own.take(going)
        self._places.take(going)
        for each in (self._loops, self._in_a_row):
            if each:
                each.take(going)

    def _push(self, events: Rows) -> None:
        if self._loops:
            self._loops.push(events)
        self._decoder.push(self._frontier, events)

    def _next(self) -> tuple[Rows, Mask]:
        """The next event of each stream, and for which there is none."""
        step = self._decoder.step(self._frontier, self._decoder.read(self._frontier))
        chance, alone = self._own.chance(self._frontier.masks.has_begun), _Alone(self)
        weighed: list[tuple[int, Floats, Mask, Mask]] = []  # field, logits, masks without and with constraints
        free: list[tuple[int, Floats]] = []  # field, logits of the network alone
        for field, narrowed in step.fields():
            assert narrowed is not None
            mask = self._legal(field, narrowed)
            free.append((field, step.of_the_network(field)))
            logits = step.kept_to(*free[-1], mask)
            if self._weigh:
                weighed.append((field, logits, self._frontier.masks.unconstrained, mask))
            logits = self._without_loops(field, self._of_drums(field, logits, step.events), step.events)
            how = self._settings, field, step.is_beginning(field)
            step.events[:, field], sure = choose_surely(logits, mask, chance[:, field], *how)
            if not (self._is_alone or sure.all()):
                self._choose_alone(step, field, mask, np.flatnonzero(~sure), chance[:, field], alone)
        events = step.finished()
        if self._weigh_ending:
            self._own.ending_nats = np.where(self._decoder.vocabulary.is_note(events), 0.0, self._own.ending_nats)
            self._own.ending_nats += self._after_notes(free, events)
        encoded, counted = self._decoder.vocabulary.field_mask(events), changes_nothing(events)
        for of, logits, unconstrained, narrow in weighed:
            self._own.weights += _weights(logits, unconstrained | narrow, narrow, events[:, of], encoded[:, of], counted)
        return events, ~step.has_next

    def _legal(self, field: int, mask: Mask) -> Mask:
        """What may come; by the grammar alone where constraints have left nothing, but for a time: that is a dead end."""
        if field == TIME or (some := mask.any(axis=1, keepdims=True)).all():
            return mask
        return np.where(some, mask, self._frontier.masks.unconstrained)

    def _after_notes(self, free: list[tuple[int, Floats]], events: Rows) -> NDArray[np.float64]:
        """Nats of events that are no notes, 0 of the others, (streams,)."""
        nats, rows = np.zeros(len(events)), np.flatnonzero(~self._decoder.vocabulary.is_note(events))
        encoded = self._decoder.vocabulary.field_mask(events)
        for field, logits in free if len(rows) else ():
            own = logits[rows].astype(np.float64)
            chosen = own[np.arange(len(rows)), events[rows, field]]
            nats[rows] += np.where(encoded[rows, field], np.logaddexp.reduce(own, axis=1) - chosen, 0.0)
        return nats

    def _choose_alone(
        self, step: Step, field: int, mask: Mask, unsure: Ints, chance: NDArray[np.float64], alone: _Alone
    ) -> None:
        """Choose a field again from what the model makes of each unsure stream by itself, where it matters."""
        matters = (
            self._decoder.vocabulary.field_mask(step.events)[:, field] if field > TIME else np.asarray(mask.any(axis=1))
        )
        for stream in unsure[matters[unsure]].tolist():
            one = np.array([stream])
            logits = self._of_drums(field, step.logits(field, mask, one, alone.head_layers(stream)), step.events[one])
            logits = self._without_loops(field, logits, step.events, one)
            how = self._settings, field, step.is_beginning(field)[one]
            step.events[one, field] = choose(logits, mask[one], chance[one], *how)

    def _of_drums(self, field: int, logits: Floats, events: Rows) -> Floats:
        """The same, those of drums so that they come to their own temperature when all are divided by that of pitches."""
        drums, more = self._decoder.vocabulary.drums, np.float32(self._settings.pitch_to_drums)
        if field != VALUE or more == 1 or not drums.any():
            return logits
        is_drum = np.append(np.zeros(FIRST_PART, bool), drums)[events[:, KIND]]
        return np.where(is_drum[:, None], logits * more, logits)

    def _without_loops(self, field: int, logits: Floats, events: Rows, streams: Ints | None = None) -> Floats:
        if field != VALUE or not self._loops:
            return logits
        streams = np.arange(len(events)) if streams is None else streams
        return self._loops.penalise(logits, events[streams], streams)

    def read_alone(self, stream: int) -> Floats:
        """What the heads make of one of the streams, computed by itself from its beginning."""
        job, events = self._jobs[stream], self._own.events_of(stream)
        frontier = self._starts(job.number) if job.place is None else self._alone_at(job, job.place)
        self._read_on(frontier, events if job.place is None else events[len(job.place.rows) :])
        return self._decoder.read(frontier)

    def _read_on(self, frontier: Frontier, rows: Rows) -> None:
        """Let the network alone read events, (events, 5), of one stream, whose masks stay as they are."""
        for row in rows:
            self._decoder.read(frontier)
            frontier.inputs = np.concatenate([row[None], frontier.contexts.push(row[None])], axis=1)

    def _alone_at(self, job: Job, place: Place) -> Frontier:
        """What has been read at a place alone, once for all tunes that go on from there."""
        if not place.alone:
            place.alone.append(self._starts(job.number))
            self._read_on(place.alone[0], place.rows)
        return place.alone[0].take(np.zeros(1, np.int64))


class _Alone:
    """What `Streams.read_alone` gives, once for all fields of an event."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._found: dict[int, Floats] = {}

    def head_layers(self, stream: int) -> Floats:
        if stream not in self._found:
            self._found[stream] = self._streams.read_alone(stream)
        return self._found[stream]


def _weights(
    logits: Floats, unconstrained: Mask, narrow: Mask, tokens: Ints, encoded: Mask, counted: Mask
) -> NDArray[np.float64]:
    """The nats of chosen tokens, where they are `counted`, and what constraints took from their field, (streams, 3)."""
    shares = np.where(unconstrained | ~unconstrained.any(axis=1, keepdims=True), logits.astype(np.float64), -np.inf)
    shares -= np.logaddexp.reduce(shares, axis=1, keepdims=True)
    nats = -shares[np.arange(len(tokens)), tokens]
    removed = np.maximum(1 - (np.exp(shares) * narrow).sum(axis=1), 0)  # rounding goes below
    return np.stack([np.where(encoded & counted, nats, 0), removed * encoded, encoded], axis=1)
