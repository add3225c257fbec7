"""The plan: what there is to learn from, which model fits it, how long it takes here. The speed is measured, not guessed."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
import torch

from melody.dataset import WITH_GAPS, Batches
from melody.errors import TrainingError
from melody.evaluation.evaluate import encoded_tokens
from melody.network.gap_reading import Gaps
from melody.network.network import MelodyNetwork
from melody.network.relations import relates
from melody.network.settings import MAX_CELLS, MAX_LAYERS, ModelSettings, num_weights
from melody.tokens.vocabulary import FIELDS, Rows, Vocabulary
from melody.training.module import Loader, window_loss
from melody.training.records import EpochsBy, Plan
from melody.training.replanning import Clock
from melody.training.settings import TrainingSettings

LEARNING_RATE, ADAPTING_RATE = 2e-3, 4e-4
WEIGHT_DECAY = 0.01
ADAPTING_EPOCHS = 20
LEAST_EPOCHS = 8  # fewer validations than that cannot tell when to stop
SEEN_LITTLE, SEEN_OFTEN = 10, 200  # epochs at which regularisation begins, and at which it is full
LONGEST_EPOCH = 300  # seconds: what is lost at most when the machine goes down
SHARE = 0.95  # of the time for epochs that is planned away; the rest is for keeping models, and for samples
WINDOWS, AMONG, SECONDS = 10, 80, 4.0  # to measure the speed on, at most, spread over so many, in so long
MOST_PARAMETERS = 400_000_000  # a model file holds 2 GB
WORTH_IT = 1.15  # times faster that bf16 must be
COUNTING_BYTES = 1_500  # an event, of n-grams
SMALL = 128  # cells of a layer up to which bf16 is not even tried


def model_size(events: int, minutes: float) -> tuple[ModelSettings, str]:
    """The shape of model that `events` training events and that many minutes on two cores can fill, and why."""
    if events < 10_000:
        small = ModelSettings(hidden_size=128, embedding_size=128, num_layers=1, head_size=128)
        return small, "small, as so little music would be learnt by heart"
    if events < 30_000:
        return ModelSettings(hidden_size=192, embedding_size=192, head_size=192), "what so much music fills"
    if events < 60_000:
        return ModelSettings(), "what so much music fills"
    fast = ModelSettings(head_size=128)  # of so much music more epochs bring more than wider heads
    if events < 1_000_000:
        return fast, "what so much music fills"
    if minutes < 60:
        return fast, "the music would fill a larger one, but that needs an hour (`max_minutes=60`)"
    return ModelSettings(hidden_size=512, embedding_size=384, head_size=256), "what so much music fills"


def regularised(shape: ModelSettings, epochs: float) -> tuple[ModelSettings, float]:
    """The shape with the dropouts, and the weight decay, for music that is seen so often.

    Music that is seen a few times cannot be learnt by heart; what is seen hundreds of times is, unless much is left out.
    Both ends were measured (docs/experiments.md), between them everything grows with the logarithm of the epochs.
    """
    share = math.log(min(max(epochs, SEEN_LITTLE), SEEN_OFTEN) / SEEN_LITTLE) / math.log(SEEN_OFTEN / SEEN_LITTLE)
    shape = replace(
        shape,
        dropout=round(0.2 + 0.2 * share, 2),
        weight_dropout=round(0.3 * share, 2),
        feature_dropout=round(0.2 * share, 2),
        head_dropout=round(0.2 * share, 2),
    )
    return shape, round(0.01 + 0.04 * share, 3)


def shape_for(settings: TrainingSettings, events: int, start: ModelSettings | None) -> tuple[ModelSettings, str]:
    """The shape of the model, and why.

    Raises
    ------
    TrainingError
        If a trained model that is to be adapted is asked to have another shape.
    """
    shape, reason = (settings.model, "as you wish") if settings.model else model_size(events, settings.max_minutes)
    if start:
        given = (settings.cell, settings.hidden_size, settings.num_layers, settings.model, settings.attention)
        if any(given) or settings.bidirectional or settings.front != "none" or settings.features != "all":
            raise TrainingError(
                "a trained model that is adapted keeps its shape; leave out `cell`, `front`, `attention`, `features`, "
                "`bidirectional`, `hidden_size` and `layers`"
            )
        shape, reason = start, "that of the model it starts from"
    if settings.cell:
        shape = replace(shape, cell=settings.cell)
    if settings.front != "none" or settings.attention:
        shape = replace(shape, front=settings.front, attention=settings.attention)
    if settings.features == "none":
        shape = replace(shape, features="none", intervals="none")
    if settings.bidirectional:
        shape = replace(shape, bidirectional=True)
    if settings.hidden_size:
        size = settings.hidden_size
        shape, reason = replace(shape, hidden_size=size, embedding_size=size, head_size=size), "as you wish"
    if settings.num_layers:
        shape, reason = replace(shape, num_layers=settings.num_layers), "as you wish"
    return shape, reason


def gapped(settings: TrainingSettings, start: ModelSettings | None) -> float:
    """The share of the pieces from which the model learns to fill gaps: of one that is bidirectional, adapted or not."""
    return WITH_GAPS * any(each.bidirectional for each in (settings, settings.model, start) if each)


def _check_size(vocabulary: Vocabulary, shape: ModelSettings) -> None:
    """That the weights fit a model file, before they are made."""
    parameters = num_weights(vocabulary, shape)
    if shape.num_layers > MAX_LAYERS or shape.hidden_size > MAX_CELLS or parameters > MOST_PARAMETERS:
        raise TrainingError(
            f"{shape.num_layers:,} layers of {shape.hidden_size:,} have {parameters / 1e6:,.0f} million parameters; at most "
            f"{MAX_LAYERS} of {MAX_CELLS:,} with {MOST_PARAMETERS / 1e6:,.0f} million fit a file (`layers`, `hidden_size`)"
        )


def make_plan(
    vocabulary: Vocabulary,
    pieces: Sequence[Rows],
    train: Batches,
    valid: Batches,
    valid_pieces: int,
    settings: TrainingSettings,
    start: ModelSettings | None = None,
    clock: Clock | None = None,
) -> Plan:
    """Epochs by the corpus, fewer if the time does not allow them.

    Parameters
    ----------
    vocabulary, pieces, train, valid, valid_pieces
        What there is to train on; its batches and those of validation; how many pieces those have, 0 if they are the
        training pieces again.
    settings
        How.
    start
        Shape of the model that is adapted, if one is.
    clock
        What time there is, some of it gone; None for all that the settings say.
    """
    clock = clock or Clock.of(settings, None, 0, 0)
    shape, reason = shape_for(settings, train.num_events, start)
    if not (settings.model or start):
        shape = replace(shape, relations=relates(vocabulary) and shape.features == "all")
    _check_size(vocabulary, shape)
    model = MelodyNetwork(vocabulary, shape)
    per_event, precision = _fastest(model, train, settings)
    per_event /= settings.devices
    seconds = clock.left(clock.after(per_event, shape.relations))
    length = _Length.of(train, valid, settings, per_event, seconds, adapts=start is not None)
    shape, decay = fitting(shape, settings, length.epochs * length.buckets / train.num_buckets, adapts=start is not None)
    return Plan(
        model=shape,
        reason=reason,
        **length._asdict(),
        learning_rate=settings.learning_rate or (ADAPTING_RATE if start else LEARNING_RATE),
        weight_decay=decay,
        precision=precision,
        adapts=start is not None,
        **_Music.of(vocabulary, pieces, train, valid_pieces)._asdict(),
        parameters=sum(p.numel() for p in model.parameters()),
        events_per_second=1 / per_event,
        threads=torch.get_num_threads(),
        megabytes=_megabytes(clock.counted),
    )


class _Length(NamedTuple):
    """How long a run is, in the words of `Plan`."""

    epochs: int
    buckets: int
    share: float
    seconds_per_epoch: float
    epochs_by: EpochsBy
    wanted: int

    @classmethod
    def of(
        cls, train: Batches, valid: Batches, settings: TrainingSettings, per_event: float, seconds: float, adapts: bool
    ) -> _Length:
        """By the music, and shorter if an event takes too long; by the settings if they say how many epochs."""
        budget, checking = max(seconds, 0) * SHARE, valid.num_events / 3  # validation goes forward only
        asked = max(round(train.num_buckets * settings.epoch_share), 1)
        whole = per_event * (train.events_per_epoch + checking)
        buckets = asked if settings.epochs else _buckets_in(budget, asked, whole)
        share = buckets / train.num_buckets
        per_epoch = per_event * (train.events_per_epoch * share + checking)
        wanted = _epochs_wanted(train, share, adapts)
        epochs = settings.epochs or max(min(wanted, int(budget / per_epoch)), 1)
        is_short = epochs < wanted or buckets < asked
        by: EpochsBy = "you" if settings.epochs else "time" if is_short else "music"
        return cls(epochs, buckets, settings.epoch_share if buckets == asked else share, per_epoch, by, wanted)


def _buckets_in(budget: float, asked: int, seconds: float) -> int:
    """How many length buckets an epoch has for which there is time, where all that are there take so many seconds."""
    longest = max(min(budget / LEAST_EPOCHS, LONGEST_EPOCH), 0.01)
    return min(asked, max(int(asked * longest / seconds), 1))


def _epochs_wanted(train: Batches, share: float, adapts: bool) -> int:
    """How many epochs the music is worth, each of which sees a share of it."""
    wanted = np.clip(12_000_000 / max(train.num_events, 1), 30, 300) / share
    return int(min(wanted, ADAPTING_EPOCHS) if adapts else wanted)


def fitting(shape: ModelSettings, settings: TrainingSettings, passes: float, adapts: bool) -> tuple[ModelSettings, float]:
    """The shape with its dropouts, and the weight decay, for so many passes through the music."""
    decay = WEIGHT_DECAY
    if not (adapts or settings.model):
        shape, decay = regularised(shape, passes)
    if settings.dropout is not None:
        shape = replace(shape, dropout=settings.dropout)
    return shape, decay if settings.weight_decay is None else settings.weight_decay


class _Music(NamedTuple):
    """What there is to train on, in the words of `Plan`."""

    pieces: int
    valid_pieces: int
    notes: int
    events: int
    tokens: int
    uniform: float

    @classmethod
    def of(cls, vocabulary: Vocabulary, pieces: Sequence[Rows], train: Batches, valid_pieces: int) -> _Music:
        """Counted."""
        counts = (encoded_tokens(vocabulary, np.asarray(rows)).sum(axis=0) for rows in pieces)
        encoded = sum(counts, np.zeros(len(FIELDS)))  # events that have each field
        uniform = float(encoded @ np.log(vocabulary.sizes)) / max(train.num_notes, 1)
        return cls(len(pieces), valid_pieces, train.num_notes, train.num_events, int(encoded.sum()), uniform)


def _fastest(model: MelodyNetwork, train: Batches, settings: TrainingSettings) -> tuple[float, Literal["32", "bf16"]]:
    """Seconds an event, and the precision that was asked for or is worth it."""
    if settings.precision != "auto":
        return seconds_per_event(model, train, settings.precision)[0], settings.precision
    full, full_work = seconds_per_event(model, train, "32")
    if model.settings.hidden_size <= SMALL:
        return full, "32"
    half, half_work = seconds_per_event(model, train, "bf16")
    return (half, "bf16") if half_work * WORTH_IT < full_work else (full, "32")


def seconds_per_event(model: MelodyNetwork, batches: Batches, precision: str) -> tuple[float, float]:
    """By the clock, and of work, which other programs do not prolong: the processor's own, or a GPU's by the clock.

    Measured on a few windows of the first length buckets after one to warm up; the model is of no use afterwards.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    times, events, started = [], [], time.monotonic()
    some = list(islice(Loader(lambda: batches.epoch(0)), AMONG))  # short pieces end early: later windows are emptier
    for window in some[:: -(-len(some) // WINDOWS)]:
        begun, work_begun = time.perf_counter(), time.process_time()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            inputs, targets, mask = (t.to(device) for t in window[:3])
            nats, (hidden, _) = window_loss(model, inputs, targets, mask, None)
            if window[4] is not None:
                gaps = Gaps(*(each.to(device) for each in window[4]))
                nats = nats + model.nats_in_gaps(hidden, targets, gaps).sum()
        torch.autograd.backward(nats / mask.sum())
        optimizer.step()
        optimizer.zero_grad()
        events.append(int(mask.sum()))  # waits for the device
        clock = time.perf_counter() - begun
        times.append((clock, clock if device.type == "cuda" else time.process_time() - work_begun))
        if time.monotonic() - started > SECONDS:
            break
    model.to("cpu")
    by_clock, work = np.sum(times[1:] or times, axis=0) / np.sum(events[1:] or events)
    return float(by_clock), float(work)


def _megabytes(counted: int) -> int | None:
    """The most memory that this process takes; None on Windows.

    What it has taken, in a step of training among others, and what n-grams of so many events will take.
    """
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1e6 if sys.platform == "darwin" else 1e3) + counted * COUNTING_BYTES / 1e6)
