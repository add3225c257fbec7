"""How well bars are rewritten and melodies harmonized: numbers for the README and for choosing the defaults.

    python scripts/measure_changes.py vary MODEL FOLDER        bars 5-8 of held-out tunes, rewritten in several ways
    python scripts/measure_changes.py harmonize MODEL FOLDER   held-out chorales, Bach's own voices beside the model's

Conventions: of FOLDER only those files are used that the model file lists as its test split; all, if it lists none.

Nats are negative log likelihoods under the model of the rewritten bars and all that follows them, given what stands before,
per note of the original there. Voice leading is counted as theory has it: two voices that both move from a perfect fifth
(octave, unison) to another one; crossing is an upper voice below a lower one, at any onset. A chord on a beat is any part of
a triad or seventh chord. A setting ends as Bach's if its last chord is a triad over the bass note that Bach ends on.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np

from melody import midi
from melody.corpus.manifest import pieces_of
from melody.piece import Piece
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.tasks.harmonize import harmonize
from melody.sampling.tasks.infill import VarySettings, vary
from melody.tokens.vocabulary import TIME

PERFECT = {7: "fifths", 0: "octaves"}


def held_out(model: Model, folder: Path, most: int) -> list[Piece]:
    """Up to `most` held-out pieces, spread over all of them."""
    names = [piece.path for piece in pieces_of(model.file.manifest) if piece.split == "test"]
    names = names or sorted(path.name for path in folder.glob("*.mid"))
    return [midi.read(folder / name) for name in names[:: max(len(names) // most, 1)][:most]]


# Voice leading


def voices_at(piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """The pitch of each of four parts at each onset of any, -1 where it rests, (onsets, 4), and the ticks."""
    ticks = np.unique(piece.onset)
    sounding = np.full((len(ticks), 4), -1)
    for onset, end, pitch, part in zip(piece.onset, piece.end, piece.pitch, piece.part):
        sounding[(ticks >= onset) & (ticks < end), part] = pitch
    return sounding, ticks


def voice_leading(piece: Piece) -> dict[str, float]:
    """Per 1,000 onsets: parallel fifths and octaves, crossings; share of beats that are a triad or seventh chord."""
    at, ticks = voices_at(piece)
    found = dict.fromkeys(["fifths", "octaves", "crossings", "chords", "beats"], 0.0)
    for high, low in combinations(range(4), 2):
        interval = (at[:, high] - at[:, low]) % 12
        both = (at[:-1, [high, low]] != at[1:, [high, low]]).all(axis=1)
        both &= (at[:-1, [high, low]] >= 0).all(axis=1) & (at[1:, [high, low]] >= 0).all(axis=1)
        for distance, name in PERFECT.items():
            found[name] += float(np.sum(both & (interval[:-1] == distance) & (interval[1:] == distance)))
    for high in range(3):
        sounding = (at[:, [high, high + 1]] >= 0).all(axis=1)
        found["crossings"] += float(np.sum(sounding & (at[:, high] < at[:, high + 1])))
    beats = at[(ticks % piece.ticks_per_quarter == 0) & (at >= 0).all(axis=1)]
    found["chords"], found["beats"] = float(sum(is_chord(beat) for beat in beats)), float(len(beats))
    found["onsets"] = float(len(ticks))
    return found


def is_chord(pitches: np.ndarray) -> bool:
    """Whether the pitches are part of a triad or a seventh chord: thirds upon one another."""
    classes = {int(p) % 12 for p in pitches}
    kinds = [(0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10), (0, 3, 6, 10), (0, 3, 6, 9)]
    return any(classes <= {(root + step) % 12 for step in kind} for root in range(12) for kind in kinds)


def ends_as(piece: Piece, original: Piece) -> bool:
    """Whether the last chord is a triad over the bass note on which the original ends."""
    last, root = (p.pitch[p.end == p.length] for p in (piece, original))
    classes = {int(p - root.min()) % 12 for p in last}
    return int(last.min() - root.min()) % 12 == 0 and (classes <= {0, 4, 7} or classes <= {0, 3, 7})


def measure_harmonies(model: Model, folder: Path, most: int, candidates: list[int]) -> None:
    """Bach's own voices, and the model's with each number of candidates."""
    pieces = held_out(model, folder, most)
    tell("Bach", pieces, pieces, 0.0)
    sopranos = [replace(p.select(p.part == 0), parts=p.parts[:1]) for p in pieces]
    for strict, temperature, count in product((False, True), (1.0, 0.7), candidates):
        started = time.process_time()
        options = {"strict": strict, "candidates": count, "settings": SamplingSettings(temperature=temperature)}
        made = [harmonize(model, s, **options)[0].piece for s in sopranos]
        name = f"{count} at {temperature}{', strict' if strict else ''}"
        tell(name, made, pieces, (time.process_time() - started) / len(pieces))
    if model.vocabulary.keys:
        nameless = [replace(s, keys=()) for s in sopranos]
        found = [harmonize(model, s, candidates=1)[0].piece.keys[0] for s in nameless]
        right = sum((f.tonic, f.mode) == (p.keys[0].tonic, p.keys[0].mode) for f, p in zip(found, pieces))
        print(f"key of the melody found: {right} of {len(pieces)}")


def tell(name: str, pieces: list[Piece], originals: list[Piece], seconds: float) -> None:
    """One line of the table."""
    counts = [voice_leading(piece) for piece in pieces]
    total = {key: sum(c[key] for c in counts) for key in counts[0]}
    per = 1000 / total["onsets"]
    ending = sum(map(ends_as, pieces, originals))
    print(
        f"{name:>18}  fifths {total['fifths'] * per:5.1f}  octaves {total['octaves'] * per:5.1f}  "
        f"crossings {total['crossings'] * per:6.1f}  chords on beats {total['chords'] / total['beats']:.0%}  "
        f"ends as Bach's {ending} of {len(pieces)}  {seconds:.1f} s each",
        flush=True,
    )


# Rewritten bars


def nats_from(model: Model, piece: Piece, tick: int) -> float:
    """Negative log likelihood of all from `tick` on, given what stands before."""
    rows = model.vocabulary.encode(piece)
    at = np.cumsum(np.array((0, *model.vocabulary.shifts))[rows[:, TIME]])
    return float(model.nats([rows])[0] - model.nats([rows[at < tick]])[0])


def measure_variations(model: Model, folder: Path, most: int) -> None:
    """The fifth to the eighth bar of held-out tunes, in several ways."""
    ways = {"what follows ignored": VarySettings(1, 0)}
    ways |= {f"{n} candidates": VarySettings(n, 0) for n in (16, 64, 320)}
    ways |= {f"{n} candidates, {r} round": VarySettings(n, r) for n, r in ((16, 1), (64, 1), (64, 3))}
    pieces = [p for p in held_out(model, folder, 4 * most) if 12 <= p.num_bars <= 40 and len(p.time_signatures) == 1][:most]
    notes = []
    original = []
    for piece in pieces:
        first = int(piece.bar_starts()[4])
        original.append(nats_from(model, piece, first))
        notes.append(int(np.sum(piece.onset >= first)))
    print(f"{len(pieces)} tunes, nats per note\n{'as it was':>28} {sum(original) / sum(notes):.3f}")
    for name, how in ways.items():
        started = time.process_time()
        made = [vary(model, p, p.first_bar + 4, p.first_bar + 7, how=how)[0] for p in pieces]
        seconds = (time.process_time() - started) / len(pieces)
        nats = [nats_from(model, v.piece, v.first_tick) for v in made]
        same = np.mean([unchanged(v.piece, p, v.first_tick, v.last_tick) for v, p in zip(made, pieces)])
        print(
            f"{name:>28} {sum(nats) / sum(notes):.3f}  as it was: {same:.0%} of the notes, {seconds:.1f} s each", flush=True
        )


def unchanged(made: Piece, piece: Piece, first: int, last: int) -> float:
    """Share of the original's notes of the bars that are there again."""

    def notes(p: Piece) -> set[tuple[int, int]]:
        inside = (p.onset >= first) & (p.onset < last)
        return set(zip(p.onset[inside].tolist(), p.pitch[inside].tolist()))

    return len(notes(made) & notes(piece)) / max(len(notes(piece)), 1)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["vary", "harmonize"])
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pieces", type=int, default=20)
    parser.add_argument("--candidates", type=int, nargs="*", default=[1, 16, 64])
    asked = parser.parse_args()
    model = load(asked.model)
    if asked.what == "vary":
        measure_variations(model, asked.folder, asked.pieces)
    else:
        measure_harmonies(model, asked.folder, asked.pieces, asked.candidates)


if __name__ == "__main__":
    main()
