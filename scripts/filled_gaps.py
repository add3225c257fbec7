"""Gaps of held-out pieces, filled and weighed: what `scripts/measure_infilling.py` measures of each."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from melody.dataset import with_features
from melody.errors import SamplingError
from melody.network.gap_reading import Gaps
from melody.network.network import MelodyNetwork
from melody.piece import Piece
from melody.sampling import SamplingSettings
from melody.sampling.constraints.constraint import Masks
from melody.sampling.constraints.observations import Observations, decoded, observe, timed
from melody.sampling.constraints.observed import Observed
from melody.sampling.decoder import Decoder
from melody.sampling.strategies.smc import Particles
from melody.sampling.tasks.observing import filling
from melody.threads import one_thread
from melody.tokens import Vocabulary
from melody.tokens.grammar import Grammar
from melody.tokens.inputs.future import MOST_KNOWN
from melody.tokens.inputs.gaps import Filled, Gap
from melody.tokens.vocabulary import END, TIME, Rows

PLAIN = SamplingSettings(temperature=1.0, rhythm_temperature=1.0, pitch_temperature=1.0)
Notes = set[tuple[int, int, int, int]]  # onset, pitch, part, duration


class Candidates(NamedTuple):
    """What weighing candidates makes of a gap: nats with so many, at least with any number, and one that was drawn."""

    nats: float
    at_least: float
    drawn: Rows


class Task(NamedTuple):
    """A gap in a piece."""

    vocabulary: Vocabulary
    rows: Rows
    gap: Gap
    filled: Filled

    @property
    def piece(self) -> Piece:
        """The piece, whose parts are those of the vocabulary."""
        return decoded(self.vocabulary, self.rows)

    @property
    def tick(self) -> NDArray[np.int64]:
        """Where each event stands, the end with the last of them."""
        shifts = np.array(self.vocabulary.shifts)
        return np.cumsum(np.where(self.rows[:, TIME] == END, 0, shifts[np.maximum(self.rows[:, TIME] - 1, 0)]))

    def notes(self, piece: Piece) -> Notes:
        """The notes of a piece that begin in the gap."""
        inside = (piece.onset >= self.gap.first) & (piece.onset < self.gap.last)
        columns = (piece.onset, piece.pitch, piece.part, piece.duration)
        return set(zip(*(column[inside].tolist() for column in columns)))

    def observed(self) -> Observations:
        """The piece without the gap, as far as it is weighed."""
        free = np.ones(len(self.vocabulary.parts), bool)
        found = observe(self.vocabulary, self.piece, free, self.gap.first, self.gap.last, to_the_end=True)
        closing = int(self.filled.numbers[-1])
        if len(self.rows) - closing <= MOST_KNOWN:
            return found
        kept = (found.tick <= self.tick[closing + MOST_KNOWN]) & (found.rows[:, TIME] != END)
        cut = [array[kept] for array in (found.tick, found.rows, found.form)]
        return Observations(*cut, *(getattr(found, name) for name in ("free", "since", "until", "silent")))


@torch.inference_mode()
def nats_of(model: MelodyNetwork, task: Task) -> tuple[float, float]:
    """Nats of the true gap without what follows and, of a bidirectional network, with it; NaN of another."""
    events = torch.from_numpy(with_features(task.vocabulary, task.rows)[None])
    index = torch.from_numpy(task.filled.numbers)
    hidden, _ = model(events[:, :-1])
    nats = model.nats(hidden, events[:, 1:], torch.ones(events.shape[0], events.shape[1] - 1, dtype=torch.bool))[0, index]
    alone = float(nats[:-1].sum() + nats[-1, TIME])
    if not model.settings.bidirectional:
        return alone, float("nan")
    read = torch.from_numpy(np.ascontiguousarray(task.filled.future.read))[None]
    places, none = torch.from_numpy(task.filled.places), torch.zeros(len(index), dtype=torch.int64)
    known = Gaps(read, torch.tensor([read.shape[1]]), none, places, none, index, index == index[-1])
    return alone, float(model.nats_in_gaps(hidden, events[:, 1:], known).sum())


@one_thread()
def weighed(decoder: Decoder, task: Task, count: int, random: np.random.Generator) -> Candidates:
    """The true gap among so many candidates in all, weighed by what follows."""
    observed = task.observed()
    after = int(observed.tick.max())
    behind = task.rows[(np.arange(len(task.rows)) >= task.filled.numbers[0]) & (task.tick <= after)]
    reference = behind if observed.rows[-1, TIME] == END else behind[behind[:, TIME] != END]
    masks = Masks(Grammar(task.vocabulary, 1), [Observed(task.vocabulary, observed)])
    start = decoder.prime(masks, before_gap(task, observed))
    never = np.zeros(len(observed.rows) + 1, bool)  # importance sampling alone, whose density is known
    particles = Particles(decoder, start, len(observed.rows), never, count, PLAIN, random, reference)
    particles.run()
    weights = particles.weights
    joint = float(particles.nats[0])
    all_of = np.logaddexp.reduce(weights) - np.log(count)
    others = np.logaddexp.reduce(weights[1:]) - np.log(count - 1) if len(weights) > 1 else -np.inf
    shares = np.exp(weights[1:] - weights[1:].max()) if len(weights) > 1 else np.ones(1)
    chosen = int(random.choice(len(shares), p=shares / shares.sum())) + (len(weights) > 1)
    return Candidates(joint + all_of, joint + others, np.array(particles.paths[chosen]))


def drawn(decoder: Decoder, task: Task, count: int, random: np.random.Generator) -> Piece:
    """The piece with the gap filled, one of so many candidates."""
    observed = task.observed()
    while True:
        particles = filling(decoder, observed, (), count, PLAIN, random)
        with suppress(SamplingError):  # of few candidates perhaps none leads to what follows
            particles.run()
            return completed(task, observed, particles.draw())


def completed(task: Task, observed: Observations, rows: Rows) -> Piece:
    """The piece as far as it was observed, with these events from the gap on."""
    return decoded(task.vocabulary, np.concatenate([before_gap(task, observed), rows]))


def before_gap(task: Task, observed: Observations) -> Rows:
    """The events before the gap."""
    return timed(task.vocabulary, observed.rows[: observed.prefix], observed.tick[: observed.prefix])
