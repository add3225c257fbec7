"""What the fields of events cost: nats a note of a small model by field, and events learnt a second of processor time.

    python scripts/measure_fields.py STORE [STORE ...] [--events 60000] [--hidden 128]

A store is what `melody prepare` writes. Each gets a model of one layer, trained on so many events of its training pieces in
the same order, and measured on its valid pieces; the time is the processor's own, of one thread, features included.

Where values stand for others (`melody.tokens.fineness`), fewer nats are no merit by themselves. So `said exactly` adds what
it would cost to say which of the values it was that one stands for, all of them as probable: the logarithm of how many ticks
or units are nearest to it. With that, vocabularies of the same music can be compared.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melody.corpus import Corpus
from melody.dataset import Batches, BatchSettings
from melody.evaluation.evaluate import measure
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.tokens.vocabulary import DURATION, FIELDS, TIME, VELOCITY, Rows, Vocabulary
from melody.training.module import Loader, window_loss


def trained(corpus: Corpus, hidden: int, events: int) -> tuple[MelodyNetwork, float]:
    """A model that has seen so many events, and how many of them a second."""
    torch.manual_seed(0)
    shape = ModelSettings(hidden_size=hidden, num_layers=1, embedding_size=hidden, head_size=hidden, dropout=0.1)
    model, seen, number = MelodyNetwork(corpus.vocabulary, shape), 0, 0
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    batches = Batches(corpus.vocabulary, list(corpus.rows("train")), BatchSettings(), 0)
    started = time.process_time()
    while seen < events:
        for inputs, targets, mask, *_ in Loader(lambda number=number: batches.epoch(number)):  # type: ignore[misc]
            loss, _ = window_loss(model, inputs, targets, mask, None)
            (loss / mask.sum()).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            seen += int(mask.sum())
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * max(1 - seen / events, 0.02)
            if seen >= events:
                break
        number += 1
    return model, seen / (time.process_time() - started)


def stands_for(values: Sequence[int]) -> NDArray[np.float64]:
    """The logarithm of how many whole numbers are nearest to each of ascending values; 0 stands for itself."""
    table = np.array(values, np.float64)
    middle = np.concatenate([[table[0] - 0.5], (table[1:] + table[:-1]) / 2, [table[-1] + 0.5]])
    width = np.diff(middle)
    width[table == 0] = 1
    return np.log(np.maximum(width, 1))


def exactly(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> NDArray[np.float64]:
    """Nats that it would cost to say the exact values of pieces besides their tokens, by field, (fields,)."""
    total = np.zeros(len(FIELDS))
    tables = {TIME: (0, *vocabulary.shifts), DURATION: vocabulary.durations or (0,), VELOCITY: vocabulary.velocities}
    for rows in pieces:
        mask = vocabulary.field_mask(rows)
        for field, values in tables.items():
            costs = stands_for(values)
            if field == TIME:
                costs[:2] = 0  # the end, and at the same time
            total[field] += costs[rows[:, field]][mask[:, field]].sum()
    return total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", type=Path, nargs="+")
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--valid", type=int, default=4, help="valid pieces to measure, the shortest")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{'':22}{'tokens by field':32}"
        + "".join(f"{name:>10}" for name in FIELDS)
        + "     all  said exactly  notes a second"
    )
    for path in given.stores:
        corpus = Corpus.open(path)
        vocabulary = corpus.vocabulary
        model, rate = trained(corpus, given.hidden, given.events)
        pieces = sorted((np.asarray(rows, np.int64) for rows in corpus.rows("valid")), key=len)[: given.valid]
        nats = measure(model, vocabulary, pieces).nats.sum(axis=0)
        notes = sum(int(vocabulary.is_note(rows).sum()) for rows in pieces)
        fields = "".join(f"{each / notes:10.3f}" for each in nats)
        whole, exact = nats.sum() / notes, (nats.sum() + exactly(vocabulary, pieces).sum()) / notes
        print(f"{path.stem:22}{vocabulary.sizes!s:32}{fields}{whole:8.3f}{exact:14.3f}{rate:16,.0f}", flush=True)


if __name__ == "__main__":
    main()
