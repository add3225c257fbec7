"""How well pitches are spelled: against the scores of music21's corpus, and whether one pitch keeps its name in a phrase.

    python scripts/measure_spelling.py [WORK ...]

Each work is read by music21, whose names of notes are the composer's, and spelled anew from pitches, times and key
signatures alone. `right` is the share of notes named as in the score. `flips` counts how often a pitch comes back in its
part within two bars under another name, for each 1,000 such returns: by us, and by the composer.
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import numpy as np

from melody.piece import Key, Part, Piece
from melody.score.notation.spelling import find_key, spell, spelled

WORKS = (
    *(
        f"bach/bwv{n}"
        for n in ("66.6", "4.8", "10.7", "101.7", "153.9", "227.11", "244.46", "248.53-5", "324", "386", "436")
    ),
    "haydn/opus74no1/movement1",
    "mozart/k155/movement1",
    "mozart/k458/movement1",
    "beethoven/opus18no1/movement1",
    "beethoven/opus132",
    "corelli/opus3no1/1grave",
    "schumann_robert/opus41no1/movement1",
)


def read(work: str) -> tuple[Piece, list[str]]:
    """The notes of a work with its key signatures, and their names in the score."""
    from music21 import corpus

    score = corpus.parse(work)
    parts = list(score.parts)
    rows = [
        (round(float(n.offset) * 24), max(round(float(n.quarterLength) * 24), 1), pitch.midi, i, pitch.name)
        for i, part in enumerate(parts)
        for n in part.flatten().stripTies().notes
        if not n.duration.isGrace
        for pitch in n.pitches
    ]
    rows = sorted({(o, p, i): (o, d, p, i, name) for o, d, p, i, name in rows}.values(), key=lambda r: (r[0], r[3], r[2]))
    onset, _, pitch, part, names = zip(*rows)
    piece = Piece(onset, [1] * len(onset), pitch, part=part, parts=(Part(),) * len(parts))
    signatures = {round(float(k.offset) * 24): k.sharps for k in parts[0].flatten().getElementsByClass("KeySignature")}
    keys = []
    for start, sharps in sorted(signatures.items()):
        following = [s for s in signatures if s > start]
        keys.append(_with_mode(piece.slice(start, min(following, default=piece.length)), start, sharps))
    ends = np.maximum(_next_onset(piece), piece.onset + 1)
    return Piece(onset, ends - piece.onset, pitch, part=part, parts=piece.parts, keys=keys), list(names)


def _with_mode(piece: Piece, start: int, sharps: int) -> Key:
    """A signature says no mode: the one whose tonic sounds longer."""
    found = find_key(piece)
    return Key(start, sharps, found.mode if found.fifths == sharps else "major")


def _next_onset(piece: Piece) -> np.ndarray:
    """Where each note's pitch or part goes on, so that durations never overlap."""
    ends = np.full(piece.num_notes, piece.length)
    for index in range(len(piece.parts)):
        notes = np.flatnonzero(piece.part == index)
        onsets = np.unique(piece.onset[notes])
        where = np.searchsorted(onsets, piece.onset[notes], side="right")
        ends[notes] = np.append(onsets, piece.length)[where]
    return ends


def flips(piece: Piece, names: list[str]) -> tuple[int, int]:
    """How often a pitch of a part comes back within two bars, and how often under another name."""
    order = np.lexsort((piece.onset, piece.pitch, piece.part))
    returns = changed = 0
    for a, b in pairwise(order.tolist()):
        bar = piece.time_signature_at(int(piece.onset[a])).bar_ticks()
        if (piece.part[a], piece.pitch[a]) == (piece.part[b], piece.pitch[b]) and piece.onset[b] - piece.onset[a] <= 2 * bar:
            returns, changed = returns + 1, changed + (names[a] != names[b])
    return returns, changed


def main() -> None:
    """Measure each work and all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("works", nargs="*", default=WORKS, metavar="WORK", help="names in music21's corpus")
    print(f"{'work':38} {'notes':>7} {'right':>8} {'flips':>7} {'score':>7}")
    totals = np.zeros(5)
    for work in parser.parse_args().works:
        piece, names = read(work)
        places = spell(piece, piece.keys)
        ours = [s + "-" * -a + "#" * a for s, a, _ in map(spelled, places.tolist(), piece.pitch.tolist())]
        right = sum(a == b for a, b in zip(ours, names))
        row = np.array([len(names), right, flips(piece, ours)[1], flips(piece, names)[1], flips(piece, names)[0]])
        totals += row
        _show(work, row)
    _show("all", totals)


def _show(work: str, row: np.ndarray) -> None:
    notes, right, ours, composer, returns = row
    print(
        f"{work:38} {notes:7.0f} {right / notes:8.2%} {1000 * ours / returns:7.1f} {1000 * composer / returns:7.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
