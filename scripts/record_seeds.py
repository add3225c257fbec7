"""What the shipped models write under many settings, a SHA-256 of the notes each, to compare before and after a change.

    python scripts/record_seeds.py > before.txt        # then the change
    python scripts/record_seeds.py > after.txt && diff before.txt after.txt
    python scripts/record_seeds.py --only vary         # those whose name holds the word

The same seed writes the same notes, whatever is rebuilt: a line may differ only if the change mends what that line does, or
if it is of another machine, whose sums may round otherwise. An error is recorded by its class alone, not by its words.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

from melody.cli.make import find_model
from melody.errors import MelodyError
from melody.limits import Limits
from melody.piece import Key, Part, Piece, Tempo, TimeSignature
from melody.sampling import Model, SamplingSettings
from melody.sampling.tasks.harmonize import harmonize
from melody.sampling.tasks.infill import VarySettings, vary
from melody.score.notes_text import read_notes

Notes = Sequence[tuple[int, ...]]
Job = Callable[[], list[Notes]]
FIDDLE, CHOIR, PIANO, DRUMS = Part(40), Part(52), Part(0), Part(0, is_drum=True)
COMMON, JIG, WALTZ = (4, 4), (6, 8), (3, 4)


def main() -> None:
    """One line for each setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only those whose name holds this word")
    parser.add_argument("--seconds", action="store_true", help="with the time of each, which is not the same twice")
    wanted = parser.parse_args()
    for name, job in jobs().items():
        if wanted.only in name:
            began = time.perf_counter()
            print(name, digest(job), *[f"{time.perf_counter() - began:.2f}"] * wanted.seconds, flush=True)


def digest(job: Job) -> str:
    """What stands for the notes of a job, or the kind of error that it is refused with."""
    try:
        return hashlib.sha256(repr(job()).encode()).hexdigest()[:24]
    except MelodyError as error:
        return type(error).__name__


def notes(piece: Piece) -> Notes:
    """What is compared: every note with its instrument, the metres, tempi and keys; no names and texts."""
    columns = (piece.onset, piece.duration, piece.pitch, piece.velocity, piece.program, piece.is_drum.astype(int))
    rows = sorted(zip(*(column.tolist() for column in columns)))
    frame = [tuple(map(str, e)) for e in (*piece.time_signatures, *piece.tempi, *piece.keys)]
    return [*rows, *frame, (piece.ticks_per_quarter,)]  # type: ignore[list-item]


@cache
def model(name: str, engine: Any = "numpy") -> Model:
    """A shipped model, loaded once."""
    return find_model(name, engine)


# The music that is gone on with, by hand


def line(pitches: str, beats: Sequence[float], metre: tuple[int, int] = COMMON, start: float = 0, **more: Any) -> Piece:
    """A tune of those pitches, each so many quarters long, over and over."""
    pitch = [int(p) for p in pitches.split()]
    duration = np.array([round(24 * beats[i % len(beats)]) for i in range(len(pitch))])
    onset = round(24 * start) + np.cumsum(duration) - duration
    given = {"parts": (FIDDLE,), "keys": (Key(0, 1, "major"),)} | more
    return Piece(onset, duration, pitch, time_signatures=(TimeSignature(0, *metre),), **given)


REEL = line(
    "67 69 71 74 71 69 67 62 64 67 66 69 67 64 62 59 60 64 67 72 71 67 69 66 67 71 74 79 78 74 71 69 "
    "67 69 71 74 71 69 67 62 76 74 72 71 69 71 72 74 71 67 69 64 66 69 62 66 67 71 74 79 67",
    [0.5] * 60 + [2.0],
)
JIG_TUNE = line("67 71 74 72 71 69 71 67 62 64 66 67 " * 4 + "67 71 67", [0.5], JIG)
WALTZ_TUNE = line("74 71 67 69 71 72 74 67 67 " * 3 + "67", [1.0] * 27 + [3.0], WALTZ)
PICKUP = line("62 " + "67 69 71 72 74 72 71 69 " * 4 + "67", [0.5], COMMON, 3.5)
IN_MID_BAR = line("67 69 71 74 76 74 71", [1.0, 0.5, 0.5])
NO_KEY = line("65 67 69 72 70 69 67 65 " * 4, [0.5], keys=())
LOW = line("43 45 47 50 47 45 43 38 " * 4, [0.5], parts=(PIANO,))
TYPED_PICKUP = "D4/8 | G/8 A B c5 d e f# g | g/4 d/4 B4/2"
GAPS = line("67 69 71 74 " * 8, [0.5, 0.5, 0.5, 2.5])
FAST = line("67 69 71 74 71 69 67 62 " * 4, [0.5], tempi=(Tempo(0, 387_000),))
HYMN = line("67 67 69 71 71 69 67 69 71 67 67 71 74 72 71 69 67 66 67", [1.0] * 7 + [2.0], parts=(CHOIR,))


def together(*pieces: Piece) -> Piece:
    """Pieces of one part each as the parts of one piece."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("onset", "duration", "pitch", "velocity")
    }
    part = np.repeat(np.arange(len(pieces)), [piece.num_notes for piece in pieces])
    first = pieces[0]
    parts = tuple(piece.parts[0] for piece in pieces)
    return Piece(**columns, part=part, parts=parts, time_signatures=first.time_signatures, keys=first.keys)


BASS = line("43 50 43 50 45 52 43 50 " * 2, [2.0], parts=(PIANO,))
CHORDS = together(*(line(f"{pitch} " * 8, [4.0], parts=(PIANO,)) for pitch in (55, 59, 62)))
BEAT = line("36 42 38 42 " * 16, [0.5], parts=(DRUMS,), keys=())
SATB = together(
    *(
        line(p, [1.0], parts=(CHOIR,))
        for p in ("71 71 72 74 " * 3, "67 67 67 69 " * 3, "62 62 64 66 " * 3, "55 55 48 50 " * 3)
    )
)


# What is done with it


def drawn(name: str, count: int = 2, **options: Any) -> Job:
    """New tunes; the options are of the limits, of the settings, or of `Model.tunes`."""
    search, limits, settings = _sorted(options)
    engine = search.pop("engine", "numpy")

    def made() -> list[Notes]:
        tunes = model(name, engine).tunes(
            count, limits=Limits.parse(**limits), settings=SamplingSettings(**settings), **search
        )
        return [notes(tune.piece) for tune in tunes]

    return made


def gone_on(name: str, prompt: Piece, count: int = 2, **options: Any) -> Job:
    """Continuations, 4 bars of each unless the options say otherwise."""
    search, limits, settings = _sorted({"bars": "4"} | options)
    engine = search.pop("engine", "numpy")

    def made() -> list[Notes]:
        asked, how = Limits.parse(**limits), SamplingSettings(**settings)
        tunes = model(name, engine).continue_many(prompt, count, limits=asked, settings=how, **search)
        return [notes(tune.piece) for tune in tunes]

    return made


def varied(name: str, piece: Piece, first: int, last: int, part: str | None = None, **options: Any) -> Job:
    """Bars rewritten, counted from the first full one; fewer candidates than usual, to be quick."""
    how = VarySettings(options.pop("candidates", 16), options.pop("rounds", 1))
    settings = SamplingSettings(**options)
    return lambda: [
        notes(v.piece) for v in vary(model(name), piece, first, last, part=part, count=2, how=how, settings=settings)
    ]


def sung(name: str, melody: Piece, **options: Any) -> Job:
    """Voices under a melody."""
    settings = SamplingSettings(**{"temperature": 0.6, "seed": options.pop("seed", 0)})
    given = {"candidates": 16, "count": 2} | options
    return lambda: [notes(h.piece) for h in harmonize(model(name), melody, settings=settings, **given)]


def streamed(name: str, prompt: Piece | None, count: int = 60, fed: Sequence[int] = (), **options: Any) -> Job:
    """The first notes of a stream, some of them fed."""
    endless = options.pop("endless", False)

    def made() -> list[Notes]:
        stream = model(name).stream(prompt, settings=SamplingSettings(**options), endless=endless)
        for pitch in fed:
            stream.feed(pitch, part=0, duration=12)
        return [list(islice(_tuples(stream), count))]

    return made


def steered(name: str, count: int = 40) -> Job:
    """A stream whose key, range and temperature change on the way."""

    def made() -> list[Notes]:
        stream = model(name).stream(settings=SamplingSettings(seed=3), endless=True)
        found = list(islice(_tuples(stream), count))
        stream.steer(key="D", range="D4:D6", temperature=1.1)
        return [found + list(islice(_tuples(stream), count))]

    return made


def _tuples(stream: Iterator[Any]) -> Iterator[tuple[int, ...]]:
    return (tuple(note) for note in stream)


def typed(name: str, text: str, **options: Any) -> Job:
    """Notes as a musician types them, gone on with."""
    return gone_on(name, read_notes(text, **options))


def _sorted(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Options of the search, of the limits and of the settings; a whole number of bars is one of the limits."""
    searching, settings = {"best_of", "beam", "engine", "only_new"}, set(SamplingSettings.__dataclass_fields__)
    search = {k: v for k, v in options.items() if k in searching}
    how = {k: v for k, v in options.items() if k in settings}
    return search, {k: v for k, v in options.items() if k not in searching | settings}, how


def jobs() -> dict[str, Job]:
    """All of them, by name."""
    return _generated() | _continued() | _rewritten() | _harmonized() | _live() | _in_python()


def _generated() -> dict[str, Job]:
    limits: dict[str, dict[str, Any]] = {
        "key": {"key": "Dm"},
        "scale": {"scale": "C,D,Eb,G,A"},
        "range": {"range": "C4:C6"},
        "leap": {"max_leap": "4"},
        "polyphony": {"max_polyphony": "2"},
        "density": {"density": "4", "bars": "6"},
        "grid": {"grid": "1/8", "bars": "6"},
        "triplets": {"grid": "1/16,1/8t", "bars": "4"},
        "metre": {"metre": "3/4"},
        "tempo": {"tempo": "100"},
        "bars": {"bars": "8"},
        "one bar": {"bars": "1"},
        "tonic": {"key": "D", "end_on_tonic": True, "bars": "8"},
        "velocity": {"velocity": "40:100"},
        "chords": {"chords": "Dm G7 C C", "bars": "8"},
        "half bars": {"chords": "C G | Am F", "bars": "4", "metre": "4/4"},
        "all": {
            "key": "G",
            "metre": "4/4",
            "tempo": "90",
            "bars": "8",
            "end_on_tonic": True,
            "grid": "1/8",
            "max_leap": "7",
        },
    }
    ways: dict[str, dict[str, Any]] = {
        "plain": {},
        "seed 7": {"seed": 7},
        "cold": {"temperature": 0.0},
        "hot": {"temperature": 1.3, "seed": 1},
        "by field": {"rhythm_temperature": 0.5, "pitch_temperature": 1.2, "seed": 2},
        "top k": {"top_k": 3, "seed": 3},
        "top p": {"top_p": 0.8, "seed": 4},
        "min p": {"min_p": 0.1, "seed": 5},
        "typical": {"typical": 0.7, "seed": 6},
        "penalty": {"repetition_penalty": 2.0, "seed": 8},
        "any ending": {"any_ending": True, "seed": 9},
        "short": {"max_notes": 40, "any_ending": True},
        "best of": {"best_of": 6},
        "beam": {"beam": 4, "bars": "4", "count": 1},
        "beam in a key": {"beam": 4, "bars": "4", "key": "G", "count": 1},
        "many": {"count": 9, "bars": "2"},
    }
    found = {f"generate fiddle, {name}": drawn("fiddle", **how) for name, how in (limits | ways).items()}
    slow = ("best of", "beam in a key", "many", "triplets", "half bars")
    voices = {name: how for name, how in (limits | ways).items() if name not in slow}
    found |= {f"generate chorales, {name}": drawn("chorales", **{"count": 1} | how) for name, how in voices.items()}
    return found | {"generate jsb": drawn("jsb", 1), "generate jsb, 4 bars": drawn("jsb", bars="4")}


def _continued() -> dict[str, Job]:
    prompts = {
        "reel": REEL, "jig": JIG_TUNE, "waltz": WALTZ_TUNE, "pick-up": PICKUP, "mid-bar": IN_MID_BAR, "no key": NO_KEY,
        "low": LOW, "rests": GAPS, "tempo": FAST,
    }  # fmt: skip
    found = {f"continue fiddle, {name}": gone_on("fiddle", prompt) for name, prompt in prompts.items()}
    found |= {f"continue chorales, {name}": gone_on("chorales", prompt) for name, prompt in (("hymn", HYMN), ("satb", SATB))}
    ways: dict[str, dict[str, Any]] = {
        "to the end": {"bars": None},
        "key": {"key": "G"},
        "range and leap": {"range": "D4:D6", "max_leap": "5"},
        "chords": {"chords": "G D Em C"},
        "tonic": {"key": "G", "end_on_tonic": True},
        "grid and density": {"grid": "1/8", "density": "5"},
        "best of": {"best_of": 5},
        "beam": {"beam": 4, "count": 1},
        "hot": {"temperature": 1.3, "seed": 5},
        "only new": {"only_new": True},
    }
    found |= {f"continue fiddle, reel, {name}": gone_on("fiddle", REEL, **how) for name, how in ways.items()}
    found["continue chorales, satb, to the end"] = gone_on("chorales", SATB, 1, bars=None)
    return found | {"continue chorales, satb, chords": gone_on("chorales", SATB, 1, chords="G D", bars="2")}


def _rewritten() -> dict[str, Job]:
    return {
        "vary fiddle, 2 bars": varied("fiddle", REEL, 3, 4),
        "vary fiddle, 1 bar": varied("fiddle", REEL, 5, 5),
        "vary fiddle, the first": varied("fiddle", REEL, 1, 2),
        "vary fiddle, the last": varied("fiddle", REEL, 7, 8),
        "vary fiddle, all": varied("fiddle", JIG_TUNE, 1, 8),
        "vary fiddle, jig": varied("fiddle", JIG_TUNE, 3, 4, seed=3),
        "vary fiddle, no rounds": varied("fiddle", REEL, 3, 4, rounds=0, candidates=32),
        "vary fiddle, one candidate": varied("fiddle", REEL, 3, 4, candidates=1),
        "vary fiddle, bars 1-2 of a pick-up": varied("fiddle", PICKUP, 1, 2),
        "vary fiddle, hot": varied("fiddle", REEL, 3, 4, temperature=1.2),
        "vary fiddle, rests": varied("fiddle", GAPS, 3, 4),
        "vary fiddle, no key": varied("fiddle", NO_KEY, 2, 3),
        "vary fiddle, one part": varied("fiddle", together(REEL, BASS), 2, 3, part="1"),
        "vary chorales": varied("chorales", SATB, 2, 2),
        "vary chorales, alto": varied("chorales", SATB, 2, 2, part="2"),
    }


def _harmonized() -> dict[str, Job]:
    return {
        "harmonize": sung("chorales", HYMN),
        "harmonize, seed": sung("chorales", HYMN, seed=5, count=1),
        "harmonize, key": sung("chorales", HYMN, key="Em", count=1),
        "harmonize, parallels": sung("chorales", HYMN, strict=False, count=1),
        "harmonize, no key": sung("chorales", line("60 62 64 65 67 65 64 62 60", [1.0], keys=()), count=1),
        "harmonize, low": sung("chorales", LOW.slice(0, 192), count=1),
        "harmonize, pick-up": sung("chorales", line("62 67 67 69 71 71 69 67", [1.0], COMMON, 3), count=1),
        "harmonize, another rhythm": sung("chorales", line("67 69 71 72 74 72 71", [1.0, 1.5, 0.5, 2 / 3]), count=1),
    }


def _live() -> dict[str, Job]:
    return {
        "stream fiddle": streamed("fiddle", None),
        "stream fiddle, endless": streamed("fiddle", None, 200, endless=True, seed=2),
        "stream fiddle, prompt": streamed("fiddle", REEL, seed=1),
        "stream fiddle, pick-up": streamed("fiddle", PICKUP),
        "stream fiddle, fed": streamed("fiddle", None, fed=(62, 64, 66), seed=4, endless=True),
        "stream fiddle, steered": steered("fiddle"),
        "stream chorales": streamed("chorales", None, 100),
        "stream chorales, prompt": streamed("chorales", SATB, 40),
    }


def _in_python() -> dict[str, Job]:
    several = together(REEL, BASS)
    return {
        "python fiddle, only new, pick-up": gone_on("fiddle", PICKUP, only_new=True),
        "python fiddle, only new, mid-bar": gone_on("fiddle", IN_MID_BAR, only_new=True),
        "python fiddle, typed": typed("fiddle", "D4/8 E F# G A B c#5 d r/4 D4/4 E/2"),
        "python fiddle, typed with a pick-up": typed("fiddle", TYPED_PICKUP, key=Key(0, 1, "major")),
        "python chorales, typed": typed("chorales", "G4/4 A B c5 B4 A G/2"),
        "python fiddle, several parts": gone_on("fiddle", several),
        "python fiddle, chords": gone_on("fiddle", CHORDS),
        "python fiddle, drums": gone_on("fiddle", BEAT),
        "python chorales, several parts": gone_on("chorales", several, 1),
        "python chorales, one part": gone_on("chorales", REEL, 1),
        "python fiddle, one note": gone_on("fiddle", line("67", [1.0])),
        "python fiddle, another grid": gone_on("fiddle", REEL.resolution(480)),
        "python fiddle, many bars": gone_on("fiddle", JIG_TUNE, 1, bars="40"),
        "python fiddle, many tunes": drawn("fiddle", 70, bars="2", any_ending=True),
    }  # fmt: skip


if __name__ == "__main__":
    main()
