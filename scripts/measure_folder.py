"""Whether what `melody train FOLDER` and `melody generate` make, without an option, is like the music of the folder.

    python scripts/measure_folder.py FOLDER [--model FILE] [--minutes 10] [--count 16] [--bars N]

If there is no model file yet, it is trained, on as many threads as torch takes. Then so many tunes are written as `melody
generate --count` writes them, and held against the pieces that the model never saw (test and valid): each measure is one
number a piece, said in `melody.statistics.texture`, shown by its median and the 95 % interval of that, beside the quartiles
of the held-out pieces; a row is marked that has the median of the tunes outside of these. Programs and drums are foreign
that are in no training piece. Then what a note of held-out music costs the model, in nats, in the first eight bars and in
whole pieces, by field, and how long the tunes took, by the processor.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from melody import files, midi
from melody.corpus import Corpus, prepare
from melody.errors import CorpusError
from melody.evaluation.evaluate import measure, restored
from melody.evaluation.heldout import choose, settings_for
from melody.evaluation.openings import BARS, openings
from melody.piece import Piece
from melody.sampling import Model, load
from melody.statistics.tables import TEXTURE, Spread, spreads
from melody.statistics.texture import Unplayed
from melody.tokens.vocabulary import FIELDS, Rows


def main() -> None:
    """Train if need be, write, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, help="trained there if it is not there")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--bars", type=int)
    parser.add_argument("--tunes", type=Path, help="keep the tunes in this folder")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = arguments.model or Path(temporary) / "model.safetensors"
        if not path.exists():
            trained(arguments.folder, path, arguments.minutes)
        model = load(path)
    corpus = prepare(arguments.folder, settings_for(model.file))
    held_out = [piece.rows for piece in choose(model.file, corpus, "test").pieces]
    with suppress(CorpusError):  # of other folders than that of the training the model has no validation pieces
        held_out += [piece.rows for piece in choose(model.file, corpus, "valid").pieces]
    begun = time.process_time()
    tunes = model.generate_many(arguments.count, bars=arguments.bars)
    seconds = time.process_time() - begun
    if arguments.tunes:
        files.make_folder(arguments.tunes)
        for number, tune in enumerate(tunes, 1):
            midi.write(tune, arguments.tunes / f"tune-{number:02d}.mid")
    rows = {**TEXTURE, **unplayed(model, corpus)}
    pieces = [model.vocabulary.decode(each) for each in held_out]
    wanted, found = spreads(pieces, rows), spreads(tunes, rows)
    show(wanted, found, len(pieces), len(tunes))
    nats = {"first 8 bars": costs(model, openings(model.vocabulary, held_out, BARS)), "whole": costs(model, held_out)}
    for where, by_field in nats.items():
        fields = ", ".join(f"{name} {value:.3f}" for name, value in by_field.items())
        print(f"{f'nats a note, {where}':48}{sum(by_field.values()):.3f}: {fields}")
    print(f"{len(tunes)} tunes in {seconds:.1f} s of one core")
    if arguments.json:
        table = {name: {"held-out": wanted[name]._asdict(), "generated": found[name]._asdict()} for name in rows}
        data = {"table": table, "nats": nats, "tunes": len(tunes), "seconds": seconds}
        files.write_bytes(arguments.json, json.dumps(data, indent=1).encode())


def trained(folder: Path, out: Path, minutes: float) -> None:
    """A model of the folder, as `melody train FOLDER --max-minutes` makes it."""
    from melody.training.run import fit
    from melody.training.settings import TrainingSettings

    result = fit(prepare(folder), out, TrainingSettings(max_minutes=minutes))
    print(f"{result.minutes:.1f} minutes. {result.sentence}")


def unplayed(model: Model, corpus: Corpus) -> Mapping[str, Callable[[Piece], float]]:
    """Measures of what none of the training pieces has; nothing if these are not at hand."""
    train = choose(model.file, corpus, "all").train
    if not train:
        return {}
    heard = Unplayed(model.vocabulary.decode(rows) for rows in train)
    return {"programs that no training piece has": heard.programs, "drums that no training piece has": heard.drums}


def costs(model: Model, pieces: Sequence[Rows]) -> dict[str, float]:
    """Nats of each field a note."""
    notes = sum(int(model.vocabulary.is_note(rows).sum()) for rows in pieces)
    nats = measure(restored(model.file), model.vocabulary, pieces).nats.sum(axis=0) / max(notes, 1)
    return dict(zip(FIELDS, nats.tolist()))


def show(wanted: Mapping[str, Spread], found: Mapping[str, Spread], pieces: int, tunes: int) -> None:
    """A line for each measure."""
    print(f"{'medians':48}{f'held-out ({pieces})':24}{'its quartiles':20}{f'generated ({tunes})':24}")
    for name, of_corpus in wanted.items():
        quartiles = f"{of_corpus.low:.3g} to {of_corpus.high:.3g}" if of_corpus.pieces else "-"
        mark = "" if of_corpus.holds(found[name]) else "  <- misses"
        print(f"{name:48}{of_corpus!s:24}{quartiles:20}{found[name]!s:24}{mark}")
    missed = sum(not of_corpus.holds(found[name]) for name, of_corpus in wanted.items())
    print(f"{len(wanted) - missed} of {len(wanted)} medians are within the quartiles\n")


if __name__ == "__main__":
    main()
