"""How much of its training music a model recites: the extraction curve, for music (Carlini et al. 2023).

A piece is extracted by a prompt of its first notes if the model goes on with its next `CONTINUED` notes note for note: when
each is taken to be the likeliest (greedy), or, at a temperature, by chance. The second is counted as what it is expected to
be, the probability of the true continuation: exp of the sum of log p_T over its tokens (Hayes et al. 2025, probabilistic
extraction), so that nothing has to be drawn and one reading gives all prompts and temperatures. A continuation is in the key
of its prompt, so that whatever the key of the prompt is, the notes are the same to the model up to its transposition.

What repeats within a piece or is a figure of the style comes out as well, of pieces that no model has seen: so held-out
pieces stand beside. What training pieces have more is recited. The curve is given by how many versions of the piece were in
training, too, and by how large the model is where a report is made of several. Nothing is masked and no outline is given: a
prompt is all that the model knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from melody.dataset import with_features
from melody.evaluation.evaluate import encoded_tokens
from melody.network.network import MelodyNetwork
from melody.originality.runs import CONTINUED
from melody.tokens.vocabulary import Rows, Vocabulary

PROMPTS = (8, 16, 32, 64)  # notes
TEMPERATURES = (0.8,)
COPIES = ((1, 1), (2, 2), (3, 1_000_000))  # of a piece in training, first and last
_BATCH = 32
_RECITED, _LONGEST = 32, 400  # pieces that are read after each epoch, and events of each
Floats = NDArray[np.float64]


class Reading(NamedTuple):
    """What a model makes of the events of a piece.

    right: whether all tokens of an event are the likeliest ones, (events,); nats: of each event, (temperatures, events).
    """

    right: NDArray[np.bool_]
    nats: Floats


class Group(NamedTuple):
    """Pieces of like length side by side, ready to be read.

    numbers: which ones; lengths: their events; events: with features, (pieces, 1 + events, columns); encoded: which fields
    are tokens, (pieces, events, fields).
    """

    numbers: list[int]
    lengths: list[int]
    events: torch.Tensor
    encoded: NDArray[np.bool_]


def grouped(vocabulary: Vocabulary, pieces: Sequence[Rows]) -> list[Group]:
    """Pieces, so many side by side."""
    order = np.argsort([len(rows) for rows in pieces], kind="stable")
    found = []
    for start in range(0, len(order), _BATCH):
        numbers = order[start : start + _BATCH].tolist()
        own = [np.asarray(pieces[n]) for n in numbers]
        width = max(map(len, own))
        events = np.stack([_padded(with_features(vocabulary, rows), width + 1) for rows in own])
        encoded = np.stack([_padded(encoded_tokens(vocabulary, rows), width) for rows in own])
        found.append(Group(numbers, [len(rows) for rows in own], torch.from_numpy(events), encoded))
    return found


def _padded(rows: NDArray[Any], length: int) -> NDArray[Any]:
    return np.pad(rows, ((0, length - len(rows)), (0, 0)))


def readings(model: MelodyNetwork, groups: Sequence[Group], temperatures: Sequence[float] = TEMPERATURES) -> list[Reading]:
    """What a model makes of pieces that it reads from the beginning, in their order.

    Parameters
    ----------
    model
        Is put into `eval` mode, and left in it.
    groups
        As `grouped` gives them.
    temperatures
        By which logits are divided for the nats.
    """
    found: dict[int, Reading] = {}
    device = next(model.parameters()).device
    model.eval()
    for numbers, lengths, inputs, encoded in groups:
        events = inputs.to(device)
        right, nats = np.ones(encoded.shape[:2], bool), np.zeros((len(temperatures), *encoded.shape[:2]))
        with torch.inference_mode():
            targets = events[:, 1:]
            for field, logits in model.logits(model(events[:, :-1])[0], targets).items():
                truth, here = targets[..., field], encoded[..., field]
                right &= ~here | (logits.argmax(dim=-1) == truth).cpu().numpy()
                for number, degree in enumerate(temperatures):
                    chosen = torch.log_softmax(logits.float() / degree, -1).gather(-1, truth[..., None])[..., 0]
                    nats[number] -= np.where(here, chosen.double().cpu().numpy(), 0.0)
        found |= {n: Reading(right[i, :length], nats[:, i, :length]) for i, (n, length) in enumerate(zip(numbers, lengths))}
    return [found[n] for n in range(len(found))]


def recited(vocabulary: Vocabulary, pieces: Sequence[Rows], read: Sequence[Reading]) -> float:
    """At which share of the places the next `CONTINUED` notes are all the likeliest ones; NaN without such places."""
    places = hits = 0
    for rows, reading in zip(pieces, read):
        notes = np.flatnonzero(vocabulary.is_note(np.asarray(rows)))
        wrong = np.concatenate([[0], np.cumsum(~reading.right)])
        runs = wrong[notes[CONTINUED:] + 1] - wrong[notes[:-CONTINUED] + 1]
        places, hits = places + len(runs), hits + int((runs == 0).sum())
    return hits / places if places else float("nan")


@dataclass(frozen=True)
class Curve:
    """The share of some pieces that is extracted.

    Parameters
    ----------
    name
        Which pieces.
    decoding
        'greedy', or the temperature.
    shares, pieces
        For each of `PROMPTS`, and of how many pieces: those that have as many notes.
    """

    name: str
    decoding: str
    shares: tuple[float, ...]
    pieces: tuple[int, ...]

    @property
    def points(self) -> list[tuple[int, float, int]]:
        """Notes of the prompt, share and pieces, of each prompt."""
        return list(zip(PROMPTS, self.shares, self.pieces))

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        rows = [{"prompt": n, "share": share if pieces else None, "pieces": pieces} for n, share, pieces in self.points]
        return {"pieces": self.name, "decoding": self.decoding, "by_prompt": rows}


def extraction(
    model: MelodyNetwork,
    vocabulary: Vocabulary,
    train: Sequence[Rows],
    groups: Sequence[str],
    of_whole: Sequence[str],
    heldout: Sequence[Rows],
    on_progress: Callable[[float], None] | None = None,
) -> list[Curve]:
    """The extraction curves of a model.

    Parameters
    ----------
    model, vocabulary
        The model.
    train, groups
        Training pieces, and the group of versions of each.
    of_whole
        The groups of all training pieces, which say how many versions there are.
    heldout
        Pieces that it was not trained on.
    on_progress
        Called with the share done.
    """
    times = Counter(of_whole)
    both = [readings(model, grouped(vocabulary, train))]
    if on_progress:
        on_progress(0.5)
    both.append(readings(model, grouped(vocabulary, heldout)))
    sets: list[tuple[str, Sequence[Rows], Sequence[Reading]]] = [
        ("training", train, both[0]), ("held-out", heldout, both[1])
    ]  # fmt: skip
    for low, high in COPIES:
        chosen = [n for n, group in enumerate(groups) if low <= times[group] <= high]
        name = f"training, {low if low == high else f'{low} or more'} version{'s' * (high > 1)}"
        sets.append((name, [train[n] for n in chosen], [both[0][n] for n in chosen]))
    return [_curve(vocabulary, *each, decoding) for each in sets for decoding in range(-1, len(TEMPERATURES))]


def _curve(vocabulary: Vocabulary, name: str, pieces: Sequence[Rows], read: Sequence[Reading], temperature: int) -> Curve:
    """Of one set of pieces: greedy for -1, else the number of the temperature."""
    found: list[list[float]] = [[] for _ in PROMPTS]
    for rows, reading in zip(pieces, read):
        notes = np.flatnonzero(vocabulary.is_note(np.asarray(rows)))
        for number, prompt in enumerate(PROMPTS):
            if len(notes) < prompt + CONTINUED:
                continue
            events = slice(notes[prompt - 1] + 1, notes[prompt + CONTINUED - 1] + 1)
            if temperature < 0:
                found[number].append(float(reading.right[events].all()))
            else:
                found[number].append(float(np.exp(-reading.nats[temperature, events].sum())))
    decoding = "greedy" if temperature < 0 else f"{TEMPERATURES[temperature]:g}"
    return Curve(name, decoding, tuple(float(np.mean(each or [np.nan])) for each in found), tuple(map(len, found)))


class Recital:
    """Some training pieces and some others, which a model reads after each epoch.

    Parameters
    ----------
    vocabulary
        Of the pieces.
    train, others
        Of which `_RECITED` are taken, each cut at `_LONGEST` events.
    """

    def __init__(self, vocabulary: Vocabulary, train: Sequence[Rows], others: Sequence[Rows]) -> None:
        self._vocabulary = vocabulary
        self._pieces = [
            [np.asarray(each[n])[:_LONGEST] for n in np.linspace(0, len(each) - 1, min(_RECITED, len(each)), dtype=int)]
            for each in (train, others)
        ]
        self._groups = [grouped(vocabulary, each) for each in self._pieces]

    def measure(self, model: MelodyNetwork) -> dict[str, float]:
        """What a training writes down: nats a note of training pieces without dropout, and the shares that are recited.

        What is not known, as no piece is long enough, is left out.
        """
        read = [readings(model, groups, (1.0,)) for groups in self._groups]
        notes = sum(int(self._vocabulary.is_note(rows).sum()) for rows in self._pieces[0])
        shares = [recited(self._vocabulary, pieces, each) for pieces, each in zip(self._pieces, read)]
        nats = sum(float(reading.nats.sum()) for reading in read[0]) / max(notes, 1)
        found = {"train_read": nats, "recited": shares[0], "recited_valid": shares[1]}
        return {name: number for name, number in found.items() if np.isfinite(number)}
