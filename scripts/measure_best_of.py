"""Whether the best of 16 tunes is nearer to its corpus than one by chance, and whether it copies more.

    python scripts/measure_best_of.py MODEL FOLDER [--groups 40] [--of 16] [--json FILE]

So many groups of tunes are drawn as `melody generate --best-of` draws them, and of each group one is kept: the first (by
chance); the likeliest; the one whose share of bars that occur twice is nearest to the mean of the held-out pieces; the one
that `--best-of` keeps (of those without a fault the most typical); the one that shares the shortest run with the training
pieces. What is kept is held against held-out pieces: floors on average (`melody.evaluation.likeness`),
bars that occur twice, longest shared runs and copies.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from melody import files, modelfile
from melody.corpus import Corpus, prepare
from melody.evaluation.heldout import settings_for
from melody.evaluation.likeness import Reference, copying, likeness_of
from melody.evaluation.model_report import index_for
from melody.evaluation.own_music import own_music
from melody.limits import Limits
from melody.originality.finding import longest_shared
from melody.piece import Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling.result import Result
from melody.sampling.search import Search
from melody.sampling.tasks.generate import best, new_tunes
from melody.statistics.form import bars_occurring_twice


def main() -> None:
    """Draw, choose, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path, help="that it was trained on, or its store")
    parser.add_argument("--groups", type=int, default=40)
    parser.add_argument("--of", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the numbers there as well")
    arguments = parser.parse_args()
    file = modelfile.load(arguments.model)
    of_store = arguments.folder.suffix == ".store"
    music = own_music(file, Corpus.open(arguments.folder) if of_store else prepare(arguments.folder, settings_for(file)))
    index, _ = index_for(file, arguments.model, music)
    reference = Reference.of(music, index, max(arguments.groups, 100), arguments.seed)
    model = Model(file)
    groups = [
        list(new_tunes(model, Search(arguments.of, arguments.of), Limits(), SamplingSettings(seed=arguments.seed + number)))
        for number in range(arguments.groups)
    ]
    heldout = [bars_occurring_twice(piece) for piece in reference.heldout.pieces]
    usual = float(np.nanmean(heldout))
    ways: dict[str, Callable[[Sequence[Result]], Result]] = {
        "by chance": lambda group: group[0],
        "likeliest": lambda group: min(group, key=lambda tune: tune.nats),
        "nearest in form": lambda group: min(group, key=lambda tune: _off(tune.piece, usual)),
        "as --best-of keeps": lambda group: best(group, 1)[0],
        "most original": lambda group: min(group, key=lambda tune: longest_shared(index, tune.piece)),
    }
    print(f"held-out: bars that occur twice {usual:.1%}, longest run {np.mean(reference.copying.runs):.1f}")
    print(f"{'one of ' + str(arguments.of):24}{'floors':>8}{'twice':>8}{'run':>8}{'copies':>8}")
    found = {}
    for name, choose in ways.items():
        kept = [choose(group).piece for group in groups]
        found[name] = measured(reference, name, kept)
        row = found[name]
        print(
            f"{name:24}{row['floors']:8.2f}{row['bars that occur twice']:8.1%}{row['longest run']:8.1f}{row['copies']:8.1%}"
        )
    if arguments.json:
        files.write_bytes(arguments.json, json.dumps(found, indent=1).encode())


def _off(piece: Piece, usual: float) -> float:
    share = bars_occurring_twice(piece)
    return abs(share - usual) if share == share else 1.0


def measured(reference: Reference, name: str, tunes: Sequence[Piece]) -> dict[str, float]:
    """What is looked at, of tunes that were kept."""
    shared = copying(reference.index, tunes)
    return {
        "floors": likeness_of(reference, name, tunes, in_full=False).mean_floors,
        "bars that occur twice": float(np.nanmean([bars_occurring_twice(tune) for tune in tunes])),
        "longest run": float(np.mean(shared.runs)),
        "copies": shared.share,
    }


if __name__ == "__main__":
    main()
