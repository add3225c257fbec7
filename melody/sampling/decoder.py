"""The decoder: streams of events side by side, and the one chain in which the fields of their next events are chosen.

An event is five fields (`melody.tokens.vocabulary`), each predicted given those before it, so choosing an event is choosing
in turn its time, kind, value, duration and velocity, each among the tokens that a mask allows. `Step.fields` is that chain,
for everybody: sampling, search, particles, live music and scoring differ only in how they choose.

    head_layers = decoder.read(frontier)
    step = decoder.step(frontier, head_layers)
    for field, mask in step.fields():
        step.events[:, field] = ...            # from step.logits(field, mask)
    decoder.push(frontier, step.finished())
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from melody.errors import SamplingError
from melody.network import AnyEngine, Floats, State
from melody.network.bidirectional import NUM_POINTERS, Joining, no_pointers, pointed
from melody.network.memory import Remembering
from melody.piece import Ints
from melody.sampling.constraints.constraint import Masks
from melody.sampling.constraints.cutoff import going_on
from melody.sampling.constraints.music import NEVER
from melody.sampling.prior import CorpusPrior
from melody.tokens.grammar import Mask
from melody.tokens.inputs.context import Conditions, Contexts
from melody.tokens.inputs.features import before_first
from melody.tokens.inputs.future import Future
from melody.tokens.inputs.outlines.outline import Outline
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import END, FIELDS, KIND, TIME, VALUE, Rows, Vocabulary

_ONE = np.zeros(1, np.int64)  # the only stream


class Frontier:
    """Where streams of events stand, side by side.

    Parameters
    ----------
    contexts
        What the model reads of the events so far.
    masks
        What may come next.
    state
        Of the engine, before it has read the last event.
    inputs
        The last event of each with its features, (streams, fields + features); zeros before the first.
    """

    def __init__(self, contexts: Contexts, masks: Masks, state: State, inputs: Ints) -> None:
        self.contexts, self.masks, self.state, self.inputs = contexts, masks, state, inputs

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, streams: Ints) -> Frontier:
        """Those streams alone, in that order, independent of these; one may be named more than once."""
        parts = self.contexts.take(streams), self.masks.take(streams), self.state.take(streams)
        return Frontier(*parts, self.inputs[streams])

    def join(self, other: Frontier) -> Frontier:
        """These streams, and behind them those of another frontier."""
        parts = self.contexts.join(other.contexts), self.masks.join(other.masks), self.state.join(other.state)
        return Frontier(*parts, np.concatenate([self.inputs, other.inputs]))

    def put(self, streams: Ints, other: Frontier) -> None:
        """Let those streams be another frontier's; in place."""
        self.contexts.put(streams, other.contexts)
        self.masks.put(streams, other.masks)
        self.state.put(streams, other.state)
        self.inputs[streams] = other.inputs


class Decoder:
    """A model as what comes next.

    Parameters
    ----------
    vocabulary
        Of the events.
    engine
        What runs the network.
    prior
        In which keys pieces begin and how far their parts go.
    joining
        Of a bidirectional network, what joins the music behind a gap to what its heads see.
    """

    def __init__(
        self, vocabulary: Vocabulary, engine: AnyEngine, prior: CorpusPrior, joining: Joining | None = None
    ) -> None:
        self.vocabulary, self.engine, self.prior, self._joining = vocabulary, engine, prior, joining
        self._ahead: _Ahead | None = None

    def before(self, future: Callable[[], Future]) -> Decoder:
        """The same for a gap behind which music is known; a network that only looks back does not ask for it.

        Raises
        ------
        SamplingError
            If a bidirectional network is to have a memory there: what it knows of the gap is no state that it remembers.
        """
        if self._joining is not None and isinstance(self.engine, Remembering):
            raise SamplingError(
                "a bidirectional model has no memory in a gap, where what follows counts; leave `memory` out"
            )
        made = copy(self)
        made._ahead = None if self._joining is None else _Ahead(self._joining, future())
        return made

    def at_any_pitch(self) -> Decoder:
        """The same for music that has begun somewhere else than the corpus does, and stays there."""
        return self._with(self.prior.at_any_pitch())

    def without_key_prior(self) -> Decoder:
        """The same for music whose key is given."""
        return self._with(self.prior.in_any_key())

    def without_prior(self) -> Decoder:
        """The same for music that is given but for a part of it."""
        return self._with(self.prior.in_any_key().at_any_pitch())

    def _with(self, prior: CorpusPrior) -> Decoder:
        made = copy(self)
        made.prior = prior
        return made

    def begin(self, masks: Masks, outline: Outline | None = None) -> Frontier:
        """The beginning of as many pieces as there are masks of streams, all with that outline, or with none."""
        streams = masks.streams
        contexts = Contexts(self.vocabulary, streams, [outline] * streams)
        return Frontier(contexts, masks, self.engine.begin(streams), self._before_all(streams, outline))

    def _before_all(self, streams: int, outline: Outline | None) -> Ints:
        """What the network reads before the first event, (streams, fields + features): zeros, and the outline."""
        features = before_first(self.vocabulary, outline)
        return np.tile(np.concatenate([np.zeros(len(FIELDS), np.int64), features]), (streams, 1))

    def prime(
        self, masks: Masks, rows: Rows, outline: Outline | None = None, *, cache: PrefixCache | None = None
    ) -> Frontier:
        """Where one stream stands after these events, END not among them; what a cache knows of them is not read again."""
        frontier = self.begin(masks, outline)
        known = 0 if cache is None else cache.recall(frontier, rows, (self.engine, outline))
        for row in rows[:known]:
            masks.push(row[None])
        for number, row in enumerate(rows[known:], known + 1):
            _, frontier.state = self.engine.step(frontier.inputs, frontier.state)
            self.push(frontier, row[None])
            if cache is not None:
                cache.keep(number, frontier)
        return frontier

    def read(self, frontier: Frontier) -> Floats:
        """Let the network read the last events; gives the first hidden layers of its heads, (streams, heads x size)."""
        hidden, frontier.state = self.engine.step(frontier.inputs, frontier.state)
        if self._ahead is None:
            return self.engine.head_layers(hidden)
        seen, pointers = self._ahead.joined(hidden, frontier)
        return np.concatenate([self.engine.head_layers(seen), pointers], axis=1)

    def pointed(self, logits: Floats, field: int, head_layers: Floats, events: Rows) -> Floats:
        """What the network makes of a field if it knows what follows, of what the heads alone make of it."""
        return logits if self._ahead is None else pointed(logits, field, head_layers[:, -NUM_POINTERS:], events)

    def is_news(self, frontier: Frontier, events: Rows) -> Mask:
        """Which fields of the next events the network has not read already, behind a gap, (streams, fields)."""
        return np.ones(events.shape, bool) if self._ahead is None else self._ahead.is_news(frontier, events)

    def step(self, frontier: Frontier, head_layers: Floats) -> Step:
        """The next events, of which nothing has been chosen yet."""
        return Step(self, frontier.contexts, head_layers, frontier.masks)

    def push(self, frontier: Frontier, events: Rows, active: Mask | None = None, *, observed: bool = False) -> None:
        """Take in an event a stream, (streams, 5); a stream that ends or is not `active` stays as it is.

        `observed` events, such as a player's, are not the model's choice: they break no constraint.
        """
        frontier.masks.push(events, active, observed=observed)
        frontier.inputs = np.concatenate([events, frontier.contexts.push(events, active)], axis=1)

    def score(self, rows: Sequence[Rows], outline: Outline | None = None) -> NDArray[np.float64]:
        """Negative log likelihood of each event of sequences that are equally long, in nats, (sequences, events).

        Under the network alone, without masks and without the corpus prior; all of them written from that outline, or from
        none.
        """
        contexts = Contexts(self.vocabulary, len(rows), [outline] * len(rows))
        state, inputs = self.engine.begin(len(rows)), self._before_all(len(rows), outline)
        found = np.zeros((len(rows), len(rows[0])))
        for at, events in enumerate(np.stack(rows, axis=1)):
            hidden, state = self.engine.step(inputs, state)
            found[:, at] = self.nats_of(Step(self, contexts, self.engine.head_layers(hidden)), events)
            inputs = np.concatenate([events, contexts.push(events)], axis=1)
        return found

    def nats_of(self, step: Step, events: Rows) -> NDArray[np.float64]:
        """Of these events, whatever else might come there, (streams,)."""
        step.events[:], nats = events, np.zeros(len(events))
        encoded = self.vocabulary.field_mask(events)
        for field, _ in step.fields():
            logits = self.engine.logits(field, step.head_layers, events, step.conditions.array).astype(np.float64)
            chosen = logits[np.arange(len(events)), events[:, field]]
            nats += np.where(encoded[:, field], np.logaddexp.reduce(logits, axis=1) - chosen, 0.0)
        return nats


class _Ahead:
    """What a bidirectional network has read of the music behind a gap."""

    def __init__(self, joining: Joining, future: Future) -> None:
        self._joining, self._future, self._following = joining, future, joining.following(future)
        is_whole = len(future.rows) > 0 and int(future.rows[-1, TIME]) == END
        self._until = NEVER if is_whole or not len(future.tick) else int(future.tick[-1])  # the last tick that was read

    def joined(self, seen: Floats, frontier: Frontier) -> tuple[Floats, Floats]:
        """What the heads see, and pointers: in the gap with what follows, elsewhere as it is, and to nothing."""
        inside = np.flatnonzero(frontier.contexts.tick < self._future.last)
        last, joined, pointers = frontier.inputs[inside], seen.copy(), no_pointers(len(seen))
        places = self._future.places(frontier.contexts.tick[inside], last[:, KIND], last[:, VALUE])
        joined[inside], pointers[inside] = self._joining.joined(seen[inside], self._following, places)
        return joined, pointers

    def is_news(self, frontier: Frontier, events: Rows) -> Mask:
        """See `Decoder.is_news`; of the event with which the gap is over that is the time."""
        before, is_end = frontier.contexts.tick, events[:, TIME] == END
        shifts = np.array(frontier.contexts.vocabulary.shifts)
        tick = np.where(is_end, before, before + shifts[np.maximum(events[:, TIME] - 1, 0)])
        is_read = (is_end | (tick >= self._future.last)) & (tick <= self._until)
        news = np.repeat(~is_read[:, None], events.shape[1], axis=1)
        news[:, TIME] |= before < self._future.last
        return news


class PrefixCache:
    """What the network made of the events that were read last: whoever reads events that begin the same reads only the rest.

    It is for music that grows, as a player's does, or is gone on with in several ways: `Decoder.prime` gives the same with
    it as without it, but sooner.

    Parameters
    ----------
    most
        Behind how many of the last events the state is kept. Events that differ before these are read from the beginning.
    ends_alone
        Whether it is kept only behind the last event of each music that was read.
    """

    def __init__(self, most: int = 64, *, ends_alone: bool = False) -> None:
        self._of: object = None  # the engine and the outline
        self._rows = np.zeros((0, len(FIELDS)), np.int64)
        self._kept: dict[int, tuple[Contexts, State, Ints]] = {}  # by the number of events read, the oldest first
        self._most, self._ends_alone = most, ends_alone

    def recall(self, frontier: Frontier, rows: Rows, of: object) -> int:
        """Let a frontier that has read nothing be behind as many of these events as are known; gives how many.

        Parameters
        ----------
        frontier
            One stream at its beginning; its masks are left as they are.
        rows
            That are to be read, (events, 5).
        of
            What else the state depends on; anything that can be compared.
        """
        shared = min(len(self._rows), len(rows)) if of == self._of else 0
        same = int(np.logical_and.accumulate((self._rows[:shared] == rows[:shared]).all(axis=1)).sum())
        self._of, self._rows = of, rows.copy()
        self._kept = {number: kept for number, kept in self._kept.items() if number <= same}
        if not self._kept:
            return 0
        number = max(self._kept)
        contexts, state, inputs = self._kept[number]
        frontier.contexts, frontier.state, frontier.inputs = contexts.take(_ONE), state.take(_ONE), inputs
        return number

    def keep(self, number: int, frontier: Frontier) -> None:
        """Keep what a frontier is behind that many of the events that were recalled last."""
        if not self._ends_alone or number == len(self._rows):
            self._kept[number] = frontier.contexts.take(_ONE), frontier.state.take(_ONE), frontier.inputs
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]


class Step:
    """The next event of each stream, while its fields are chosen one after another.

    Attributes
    ----------
    events
        As far as they are chosen, (streams, 5).
    conditions
        What the heads read of the place and the part that have been chosen.
    head_layers
        As `Decoder.read` gives them.
    masks
        What may come; None where nothing is forbidden.
    """

    def __init__(self, decoder: Decoder, contexts: Contexts, head_layers: Floats, masks: Masks | None = None) -> None:
        self._decoder, self.masks, self.head_layers = decoder, masks, head_layers
        self.events = np.zeros((len(head_layers), len(FIELDS)), np.int64)
        self.conditions = Conditions(contexts)
        self._at_beginning, self._own = contexts.tick == 0, contexts.conditions[("own",)].start
        self._past_end: Mask | None = None  # of the time
        self.has_next: Mask = np.ones(len(head_layers), bool)  # whether there is any time at which something may come

    def fields(self) -> Iterator[tuple[int, Mask | None]]:
        """The fields that the model predicts, in their order, each with the tokens that may be chosen, (streams, tokens).

        Before it is asked for the next one, the field has to stand in `events`.
        """
        predicted = self._decoder.engine.predicted
        for field in range(len(FIELDS)):
            if field == KIND:
                self.conditions.place(self.events)
            elif field == VALUE:
                self.conditions.part(self.events)
            if not len(self.events):
                return
            if field in predicted:
                yield field, None if self.masks is None else self._mask(self.masks, field)

    def _mask(self, masks: Masks, field: int) -> Mask:
        events = self.events
        if field == TIME:
            masks.expected = self.conditions.planned - 1
        mask = masks.of(field, events)
        if field == TIME:
            self._past_end, self.has_next = masks.past_end(), np.asarray(mask.any(axis=1))
        return mask

    def logits(
        self, field: int, mask: Mask | None, streams: Ints | None = None, head_layers: Floats | None = None
    ) -> Floats:
        """What the model makes of a field, its prior included, (streams, tokens).

        Parameters
        ----------
        field, mask
            As `fields` gives them.
        streams
            Of which streams; None for all.
        head_layers
            Of these streams, where they are not `self.head_layers`.
        """
        return self.kept_to(field, self.of_the_network(field, streams, head_layers), mask, streams)

    def of_the_network(self, field: int, streams: Ints | None = None, head_layers: Floats | None = None) -> Floats:
        """What the network alone makes of a field, (streams, tokens); see `logits`."""
        of = slice(None) if streams is None else streams
        head_layers = self.head_layers[of] if head_layers is None else head_layers
        logits = self._decoder.engine.logits(field, head_layers, self.events[of], self.conditions.array[of])
        return self._decoder.pointed(logits, field, head_layers, self.events[of])

    def kept_to(self, field: int, logits: Floats, mask: Mask | None, streams: Ints | None = None) -> Floats:
        """The same with what the corpus does, and with the bars that the piece is to have; those given stay as they are."""
        of = slice(None) if streams is None else streams
        if field == TIME and mask is not None and self._past_end is not None:
            return going_on(logits, mask[of], self._past_end[of])
        if field == VALUE:
            logits = logits.copy()
            is_first = self.conditions.array[of, self._own] == 0
            self._decoder.prior.prefer(logits, self.events[of], self._at_beginning[of], is_first)
        return logits

    def is_beginning(self, field: int) -> Mask:
        """Of which streams the field says how a piece begins, (streams,).

        That is its metre, tempo and key, and when and by which part its first note comes: the pick-up.
        """
        assert self.masks is not None
        found: Mask = ~self.masks.has_begun
        return found if field <= KIND else found & (self.events[:, KIND] < FIRST_PART)

    def take(self, kept: Ints) -> None:
        """Go on with these streams alone, in that order; one may be named more than once."""
        self.events, self.head_layers, self.has_next = self.events[kept], self.head_layers[kept], self.has_next[kept]
        self._at_beginning = self._at_beginning[kept]
        self._past_end = None if self._past_end is None else self._past_end[kept]
        self.masks = None if self.masks is None else self.masks.take(kept)
        self.conditions.take(kept)

    def finished(self) -> Rows:
        """The events, 0 in the fields that an event does not have."""
        self.events[~self._decoder.vocabulary.field_mask(self.events)] = 0
        return self.events
