"""Alarms: what goes wrong in a training, each reported once, in one plain sentence with a remedy.

They look at the history, one dictionary an epoch (`melody.training.watch`), and know nothing of torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from melody.originality.runs import CONTINUED
from melody.sampling.quality import run_of
from melody.text import counted
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import KIND, VALUE, Rows, Vocabulary
from melody.training.records import Alarm, History, Plan

FEW_PIECES, FEW_NOTES = 20, 2_000
SETTLED = 150  # optimizer steps after which a model must have learnt something; the warm-up takes up to 100
ONE_NOTE = 0.9  # share of guesses on one pitch that is collapse, where the music has less by a third
RECITED = 0.1  # share of places in training pieces that come out by heart, beyond that of other pieces
LONG_RUN = 16  # equal notes one after the other, where the music has half as many at most


def before(plan: Plan) -> list[Alarm]:
    """What is wrong before training begins: too little data, unless a trained model is adapted to it."""
    if plan.adapts or (plan.pieces >= FEW_PIECES and plan.notes >= FEW_NOTES):
        return []
    are = "is" if plan.pieces == 1 else "are"
    return [
        Alarm(
            "too little data",
            f"{counted(plan.pieces, 'piece')} with {counted(plan.notes, 'note')} {are} little to learn from: the model will "
            "soon know them by heart; add music (a hundred pieces make a start), or adapt a trained model: `from_='fiddle'`",
        )
    ]


def after(history: History, plan: Plan, longest_run: int) -> Iterator[Alarm]:
    """What is wrong after the last epoch of the history.

    `longest_run` is that of the training pieces (see `longest_run`); samples are compared with it.
    """
    yield from _collapse(history[-1], plan, longest_run)
    yield from _overfitting(history, plan)
    yield from _reciting(history[-1], plan)
    yield from _too_high(history, plan)
    yield from _too_low(history, plan)


def _collapse(last: dict[str, Any], plan: Plan, longest: int) -> Iterator[Alarm]:
    if last["steps"] < SETTLED:
        return
    if last["guessed_share"] > ONE_NOTE and last["guessed_share"] > last["real_share"] + 0.33:
        yield Alarm(
            "collapse",
            f"the model has collapsed: {last['guessed_share']:.0%} of its guesses are one pitch, one note "
            f"for ever; try a lower `learning_rate={plan.learning_rate / 4:.1g}` or more `epochs`",
        )
    elif last.get("sample_run", 0) > max(LONG_RUN, 2 * longest):
        yield Alarm(
            "collapse",
            f"the sample tune repeats one note {last['sample_run']} times, the music at most {longest} times; if the next "
            "samples do so too, try a lower `learning_rate` or more `epochs`",
        )


def _overfitting(history: History, plan: Plan) -> Iterator[Alarm]:
    best = min(history, key=lambda entry: entry["valid"])
    since = history[history.index(best) + 1 :]
    worse = [entry for entry in since if entry["valid"] > 1.02 * best["valid"] and entry["train"] < best["train"]]
    if len(worse) >= 3 and worse[-1] is history[-1]:
        less = "fewer `epochs`" if plan.adapts else "a smaller `hidden_size`"  # an adapted model keeps its size
        rise = 100 * (history[-1]["valid"] / best["valid"] - 1)
        yield Alarm(
            "overfitting",
            f"the model learns the training pieces by heart: on the others it has been getting worse since epoch "
            f"{best['epoch']} (by {rise:.0f} %); more music helps most, then a higher `dropout` or {less}; "
            f"the model of epoch {best['epoch']} is kept",
        )


def _reciting(last: dict[str, Any], plan: Plan) -> Iterator[Alarm]:
    train, valid = last.get("recited", 0.0), last.get("recited_valid", 0.0)
    if train - valid > RECITED and train > 2 * valid:
        less = "fewer `epochs`" if plan.adapts else "a smaller `hidden_size`"
        yield Alarm(
            "reciting",
            f"the model begins to recite: at {train:.0%} of the places of training pieces it goes on with the next "
            f"{CONTINUED} notes note for note, at {valid:.0%} of those of other pieces; more music helps most, then "
            f"a higher `dropout` or {less}; `melody generate --original` leaves copies out",
        )


def _too_high(history: History, plan: Plan) -> Iterator[Alarm]:
    # Both must rise: that of a few transposed pieces is noise, and on validation alone it is overfitting.
    rises = all(
        history[-1][name] > factor * min(e[name] for e in history) for name, factor in (("train", 1.1), ("valid", 1.05))
    )
    lost = history[-1]["steps"] >= SETTLED and history[-1]["train"] > 1.5 * plan.uniform
    if rises or lost:
        how = "has risen again" if rises else "is far worse than blind guessing"
        yield Alarm(
            "learning rate too high",
            f"the loss on the training pieces {how} ({history[-1]['train']:.2f} nats per note): the learning rate of "
            f"{plan.learning_rate:g} is too high; try `learning_rate={plan.learning_rate / 4:.1g}`",
        )


def _too_low(history: History, plan: Plan) -> Iterator[Alarm]:
    first, last = history[0], history[-1]
    early = 3 <= last["epoch"] <= max(3, plan.epochs // 2)  # later it falls slowly because it is meant to
    if not early or last["steps"] < SETTLED or plan.adapts:
        return
    if last["train"] > 0.95 * history[-2]["train"] and last["train"] > last["unigram"]:
        yield Alarm(
            "learning rate too low",
            f"the loss has hardly fallen in {last['epoch']} epochs (from {first['train']:.2f} to {last['train']:.2f} nats "
            f"per note): the learning rate of {plan.learning_rate:g} is too low; try "
            f"`learning_rate={min(plan.learning_rate * 10, 2e-3):.1g}`",
        )


def longest_run(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> int:
    """How often a part plays one pitch in a row, at most; drums are left out."""
    drums = [FIRST_PART + i for i, part in enumerate(vocabulary.parts) if part.is_drum]
    notes = (rows[vocabulary.is_note(rows) & ~np.isin(rows[:, KIND], drums)] for rows in map(np.asarray, pieces))
    return max((run_of(row[:, KIND], row[:, VALUE]) for row in notes), default=0)
