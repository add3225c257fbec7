"""Whether tunes hang together: whole bars, endings, no note for ever. Of a model beside its corpus.

    python scripts/measure_tunes.py MODEL FOLDER [--count 300] [--temperature 1.0] [--json FILE]

The corpus are the pieces of FOLDER, prepared as for the model; the tunes are as `melody generate MODEL --count` writes them,
and as it writes them with `--any-ending`.
Of each the first part that is no drum is looked at: the melody.

- whole bars: of the bars before the one in which the last note begins, a pick-up aside, the share whose notes last as long
  as the metre says: the durations of those that begin in a bar add up to it
- own ending: the model ended the tune; it was not cut off at the length of the longest piece in training
- on a bar line: it ends there, or as much before it as the pick-up took
- on the triad: the last note is in the triad on the tonic of the key in force, in minor with either third
- all three: by itself, on a bar line and on the triad
- longest run: of equal pitches, the 99th percentile and the most; share of tunes with one longer than 8
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from melody import files
from melody.corpus import prepare
from melody.evaluation.heldout import settings_for
from melody.piece import Piece
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.quality import longest_run

MOST = 8  # equal pitches in a row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--temperature", type=float, nargs="+", default=[1.0])
    parser.add_argument("--json", type=Path, help="write the table there as well")
    arguments = parser.parse_args()
    model = load(arguments.model)
    corpus = prepare(arguments.folder, settings_for(model.file))
    pieces = [corpus.vocabulary.decode(rows) for split in ("train", "valid", "test") for rows in corpus.rows(split)]
    table = {"corpus": measured(pieces, [True] * len(pieces))}
    for temperature in arguments.temperature:
        for name, as_it_ends in (("", False), (", any ending", True)):
            settings = SamplingSettings(temperature=temperature, any_ending=as_it_ends)
            tunes = model.generate_many(arguments.count, settings=settings)
            table[f"temperature {temperature:g}{name}"] = measured(tunes, [ended(model, tune) for tune in tunes])
    for name, values in table.items():
        print(
            f"{name:30}" + "  ".join(f"{what} {value:.3g}{'' if 'run' in what else ' %'}" for what, value in values.items())
        )
    if arguments.json:
        files.write_bytes(arguments.json, json.dumps(table, indent=1).encode())


def ended(model: Model, tune: Piece) -> bool:
    """Whether the model ended a tune: a tune that was cut off has as many events as the longest piece in training."""
    return len(model.vocabulary.encode(tune)) < model.longest_piece


def measured(tunes: Sequence[Piece], by_itself: Sequence[bool]) -> dict[str, float]:
    """The table's line, shares in percent."""
    melodies = [melody_of(tune) for tune in tunes]
    bars = [whole_bars(tune) for tune in melodies]
    line = np.array([on_bar_line(tune) for tune in tunes])
    triad = np.array([on_triad(tune) for tune in melodies])
    runs = np.array([longest_run(tune) for tune in melodies])
    return {
        "whole bars": 100 * sum(w for w, _ in bars) / max(sum(n for _, n in bars), 1),
        "own ending": 100 * float(np.mean(by_itself)),
        "on a bar line": 100 * float(line.mean()),
        "on the triad": 100 * float(triad.mean()),
        "all three": 100 * float((line & triad & np.array(by_itself)).mean()),
        "run of equal pitches, 99th percentile": float(np.percentile(runs, 99)),
        "longest run": float(runs.max()),
        f"tunes with a run above {MOST}, percent": 100 * float((runs > MOST).mean()),
    }


def melody_of(tune: Piece) -> Piece:
    """Its first part that is no drum; of a chord the highest note."""
    first = min((int(p) for p in np.unique(tune.part) if not tune.parts[p].is_drum), default=0)
    alone = tune.select(tune.part == first)
    highest = {int(onset): i for i, onset in enumerate(alone.onset)}  # notes are sorted by onset, then pitch
    return alone.select(np.isin(np.arange(alone.num_notes), list(highest.values())))


def whole_bars(tune: Piece) -> tuple[int, int]:
    """How many bars are filled exactly, of how many."""
    bar, _ = tune.bar_and_position(tune.onset)
    starts = tune.bar_starts()
    number = range(1 if tune.onset[0] else 0, int(bar[-1]))
    filled = np.bincount(bar, weights=tune.duration)
    return sum(int(filled[i] == starts[i + 1] - starts[i]) for i in number), len(number)


def on_bar_line(tune: Piece) -> bool:
    """Whether it ends on a bar line, or as much before one as the pick-up took."""
    signature = tune.time_signature_at(tune.length - 1)
    ticks = signature.bar_ticks(tune.ticks_per_quarter)
    position = (tune.length - signature.onset) % ticks
    return position == 0 or position == tune.onset[0] < ticks


def on_triad(tune: Piece) -> bool:
    """Whether the last note is in the triad on the tonic; nobody can tell without a key."""
    if not tune.keys:
        return False
    key = tune.keys[-1]
    return int(tune.pitch[-1] - key.tonic) % 12 in ((0, 4, 7) if key.mode == "major" else (0, 3, 4, 7))


if __name__ == "__main__":
    main()
