"""A blind test for ears: a page of generated and of real tunes mixed, titles gone, and the key in a second file.

    python scripts/blind_test.py MODEL FOLDER --out blind [--count 10] [--seed 0]

blind.html plays and shows twice --count tunes, numbered in a random order: as many of the model's, at its default settings,
as of its test and validation pieces in FOLDER, none of which it was trained on. A listener marks each from 0 to 10 as music.
blind.json says which was which; do not look before. Then:

    python scripts/blind_test.py --marks 7,4,... --key blind.json

prints the mean mark of either kind with the probability of such a difference by chance (a permutation test over the tunes).

Nothing but the notes tells the two apart: all tunes have the same loudness, the tempo of the model's corpus in the middle,
and the first instrument of each part; real tunes as long as no generated one are cut to the bar in which the longest
generated one ends.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from melody import files
from melody.piece import Piece
from melody.report.page import write_page
from melody.report.page_tune import page_tune
from melody.sampling import SamplingSettings, load
from melody.signatures import Tempo

VELOCITY = 90
PERMUTATIONS = 20_000


def main() -> None:
    """Write a page and its key, or read marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("blind"), help="name of the page and of its key, without suffix")
    parser.add_argument("--count", type=int, default=10, help="tunes of either kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--marks", help="a mark from 0 to 10 for each tune of the page, with commas between")
    parser.add_argument("--key", type=Path, help="the page's key, to go with --marks")
    asked = parser.parse_args()
    if asked.marks:
        if not asked.key:
            parser.error("--marks needs --key FILE, the .json beside the page")
        print(compared([float(mark) for mark in asked.marks.split(",")], json.loads(asked.key.read_text())["generated"]))
    elif not asked.model or not asked.folder:
        parser.error("name a model and the folder of its corpus")
    else:
        write(asked.model, asked.folder, asked.out, asked.count, asked.seed)


def write(path: Path, folder: Path, out: Path, count: int, seed: int) -> None:
    """The page and its key."""
    from measure_tunes import held_out

    model, random = load(path), np.random.default_rng(seed)
    generated = model.generate_many(count, settings=SamplingSettings(seed=seed))
    pieces = held_out(model, folder)
    if len(pieces) < count:
        raise SystemExit(f"{folder} has {len(pieces)} test and validation pieces of the model; ask for at most as many")
    real = [pieces[i] for i in random.choice(len(pieces), count, replace=False)]
    order = random.permutation(2 * count)
    tunes = [([*generated, *real][i], bool(i < count)) for i in order]
    bars = max(tune.num_bars for tune in generated)
    shown = [page_tune(str(number), plain(tune, bars)) for number, (tune, _) in enumerate(tunes, 1)]
    write_page(out.with_suffix(".html"), shown, heading=f"{2 * count} tunes: mark each from 0 to 10")
    key = {"model": model.file.fingerprint, "seed": seed, "generated": [is_generated for _, is_generated in tunes]}
    files.write_bytes(out.with_suffix(".json"), json.dumps(key).encode())
    print(f"{out.with_suffix('.html')}: {2 * count} tunes; which is which stands in {out.with_suffix('.json')}")


def plain(tune: Piece, bars: int) -> Piece:
    """The notes alone, of so many bars at most: one loudness, one tempo, no names."""
    starts = tune.bar_starts()
    tune = tune.slice(0, int(starts[bars])) if len(starts) > bars else tune
    parts = tuple(replace(part, name="") for part in tune.parts)
    return replace(
        tune, velocity=np.full(tune.num_notes, VELOCITY), tempi=(Tempo.from_qpm(0, 100),), parts=parts, title="", texts=()
    )


def compared(marks: Sequence[float], generated: Sequence[bool]) -> str:
    """The means, and how likely such a difference is by chance."""
    if len(marks) != len(generated) or not all(0 <= mark <= 10 for mark in marks):
        raise SystemExit(f"{len(marks)} marks came; give {len(generated)} from 0 to 10, in the order of the page")
    values, made = np.array(marks), np.array(generated, bool)
    difference = values[~made].mean() - values[made].mean()
    random = np.random.default_rng(0)
    shuffled = [random.permutation(made) for _ in range(PERMUTATIONS)]
    by_chance = np.array([values[~one].mean() - values[one].mean() for one in shuffled])
    p = (1 + np.sum(np.abs(by_chance) >= abs(difference) - 1e-12)) / (1 + PERMUTATIONS)
    return f"generated {values[made].mean():.2f}, real {values[~made].mean():.2f} of 10 (p = {p:.3g}, {len(marks)} tunes)"


if __name__ == "__main__":
    main()
