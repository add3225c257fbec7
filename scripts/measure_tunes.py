"""Whether tunes hang together: form, part-writing, whole bars, endings. Of a model beside the pieces that it never saw.

    python scripts/measure_tunes.py MODEL FOLDER [--count 300] [--temperature 0.8 1:0.9] [--any-ending] [--json FILE]

Held out are the test and validation pieces of the model among those of FOLDER; the tunes are as `melody generate MODEL
--count` writes them, with --any-ending also as it writes them with that option. Each row has a 95 % interval over pieces;
what it means is said in `melody.statistics`. A table says how the model goes on from bars 1 to 4 of held-out pieces:
whether bar 5 begins as bar 1 does, and whether bars 5 and 6 are bars 1 and 2 again, beside how these pieces go on. The
second table needs two voices, and so does the last one: at the notes of held-out music where some pitch would make, say,
a parallel fifth with a voice above, how often it comes, and what the model gives to it (`melody.evaluation.occasions`).
Endings look at the first part that is no drum:

- own ending: the model ended the tune; it was not cut off at the length of the longest piece in training
- on a bar line: it ends there, or as much before it as the pick-up took
- on the triad: the last note is in the triad on the tonic of the key in force, in minor with either third
- all three: by itself, on a bar line and on the triad
- run of equal pitches: the share of tunes with more than 8 in a row in one part
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from melody import files
from melody.corpus import prepare
from melody.evaluation.heldout import choose, settings_for
from melody.evaluation.occasions import occasions
from melody.network.relations import relates
from melody.piece import Piece
from melody.sampling import Model, SamplingSettings, load
from melody.sampling.quality import MOST_IN_A_ROW, longest_run
from melody.statistics import form
from melody.statistics.form import melody_of
from melody.statistics.part_writing import voices_of
from melody.statistics.tables import FORM, PART_WRITING, Count, measured


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=300)
    how = "one for all, or that of rhythm and that of pitch, as 1:0.9; default: those of the model"
    parser.add_argument("--temperature", type=degrees, nargs="+", default=[()], help=how)
    parser.add_argument("--any-ending", action="store_true", help="measure tunes of any ending, too")
    parser.add_argument("--parallels", action="store_true", help="as the model writes them where nothing forbids them")
    parser.add_argument("--json", type=Path, help="write the tables there as well")
    arguments = parser.parse_args()
    model = load(arguments.model)
    columns = {"held-out": held_out(model, arguments.folder)}
    for temperature in arguments.temperature:
        for any_ending in (False, True)[: 1 + arguments.any_ending]:
            how = {"any_ending": any_ending, "parallels": arguments.parallels}
            rhythm, pitch = (*temperature, *temperature[:1])[:2] if temperature else (None, None)
            settings = SamplingSettings(temperature=rhythm, pitch_temperature=pitch, **how)
            name = f"at {':'.join(f'{each:g}' for each in temperature)}" if temperature else "as it writes"
            name += ", any ending" * any_ending
            columns[name] = model.generate_many(arguments.count, settings=settings)
    has_voices = any(len(voices_of(piece)) > 1 for piece in columns["held-out"])
    tables = {"form": FORM} | ({"part-writing": PART_WRITING} if has_voices else {}) | {"endings": endings(model)}
    columns_of = {title: columns for title in tables}
    begun = [piece for piece in columns["held-out"] if len(form.bars_of(piece)) >= 8][: arguments.count]
    columns_of["after true bars 1 to 4"] = {"held-out": begun, "as it goes on": gone_on(model, begun)}
    tables["after true bars 1 to 4"] = RETURN
    found = {
        title: {name: measured(pieces, rows) for name, pieces in columns_of[title].items()} for title, rows in tables.items()
    }
    for title, table in found.items():
        show(title, table, {name: len(pieces) for name, pieces in columns_of[title].items()})
    if relates(model.vocabulary):
        show_occasions(model, arguments.folder)
    if arguments.json:
        files.write_bytes(arguments.json, json.dumps(found, indent=1).encode())


def gone_on(model: Model, pieces: Sequence[Piece]) -> list[Piece]:
    """What the model makes of the first four full bars of each, pick-up and all."""
    settings = SamplingSettings(any_ending=True)
    prompts = (piece.bars(piece.first_bar, 4) for piece in pieces)
    return [model.continue_(prompt, settings=replace(settings, seed=number)) for number, prompt in enumerate(prompts)]


def bar_5_begins_as_bar_1(piece: Piece) -> tuple[float, float]:
    """Whether the first notes of both are the same; not counted with fewer than 6 bars."""
    bars = form.bars_of(piece)
    return (0, 0) if len(bars) < 6 else (bool(bars[4]) and bars[4][:1] == bars[0][:1], 1)


def bars_5_and_6_return(piece: Piece) -> tuple[float, float]:
    """Whether they are bars 1 and 2 again; not counted with fewer than 6 bars."""
    bars = form.bars_of(piece)
    return (0, 0) if len(bars) < 6 else (bars[4:6] == bars[:2] and all(bars[:2]), 1)


RETURN: dict[str, Count] = {
    "bar 5 begins as bar 1 does": bar_5_begins_as_bar_1,
    "bars 5-6 are bars 1-2 again": bars_5_and_6_return,
}


def degrees(text: str) -> tuple[float, ...]:
    """A temperature, or one of rhythm and one of pitch."""
    return tuple(float(each) for each in text.split(":", 1))


def held_out(model: Model, folder: Path) -> list[Piece]:
    """The model's own test and validation pieces that are in the folder."""
    corpus = prepare(folder, settings_for(model.file))
    chosen = [choose(model.file, corpus, which) for which in ("test", "valid")]
    return [model.vocabulary.decode(piece.rows) for of_split in chosen for piece in of_split.pieces]


def show_occasions(model: Model, folder: Path) -> None:
    """What the model expects of true music, relation by relation."""
    found = occasions(model.file, [model.vocabulary.encode(piece) for piece in held_out(model, folder)])
    print(f"{'held-out music, % of the notes where it may come':50}{'notes':>8}{'happens':>10}{'expected':>10}")
    for name, (notes, expected, happens) in found.items():
        print(f"{name:50}{notes:8,}{100 * happens:10.2f}{100 * expected:10.2f}")


def show(title: str, table: Mapping[str, Mapping[str, object]], counts: Mapping[str, int]) -> None:
    """One table, a line for each measure."""
    print(f"{title + ', %':46}" + "".join(f"{f'{name} ({counts[name]})':26}" for name in table))
    for row in next(iter(table.values())):
        print(f"{row:46}" + "".join(f"{column[row]!s:26}" for column in table.values()))
    print()


def endings(model: Model) -> dict[str, Count]:
    """How tunes end, and whether a pitch is played for ever."""

    def by_itself(tune: Piece) -> bool:
        """A tune that was cut off has as many events as the longest piece in training."""
        return len(model.vocabulary.encode(tune)) < model.longest_piece

    return {
        "own ending": lambda tune: (by_itself(tune), 1),
        "on a bar line": lambda tune: (on_bar_line(tune), 1),
        "on the triad": lambda tune: (on_triad(tune), 1),
        "all three": lambda tune: (by_itself(tune) and on_bar_line(tune) and on_triad(tune), 1),
        "run of equal pitches": lambda tune: (longest_run(tune) > MOST_IN_A_ROW, 1),
    }


def on_bar_line(tune: Piece) -> bool:
    """Whether it ends on a bar line, or as much before one as the pick-up took."""
    signature = tune.time_signature_at(tune.length - 1)
    ticks = signature.bar_ticks(tune.ticks_per_quarter)
    position = (tune.length - signature.onset) % ticks
    return bool(position == 0 or position == tune.onset[0] < ticks)


def on_triad(tune: Piece) -> bool:
    """Whether the melody's last note is in the tonic triad; nobody can tell without a key."""
    melody = melody_of(tune)
    if not tune.keys or not melody.num_notes:
        return False
    key = tune.keys[-1]
    return int(melody.pitch[-1] - key.tonic) % 12 in ((0, 4, 7) if key.mode == "major" else (0, 3, 4, 7))


if __name__ == "__main__":
    main()
