"""Files that a DAW and this program exchange: a request with the notes of a track, an answer with new ones.

Both are lines of text, so that a script without any library can write and read them (`melody_bars.lua`):

    melody-bridge 1                     melody-answer 1
    task vary                           note 8.000000 0.500000 69 90
    model fiddle                        ...
    first 3
    last 4                              or, if it is refused, one line:
    numerator 4
    denominator 4                       refused there is no model 'fidle'; ...
    tempo 120.0
    options --key Dm
    note 0.000000 0.500000 62 80

Notes are onset, duration (quarter notes from the first bar of the request on), MIDI pitch, velocity. `vary` is answered with
the new notes of the bars from `first` to `last`, `continue` with as many bars behind `last`, whose notes go up to there.
`options` are limits, as the command line has them.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from melody import files, models
from melody.arguments import shown
from melody.errors import ArgumentError, MelodyError, SamplingError
from melody.limits.kinds import KINDS
from melody.limits.limits import Limits
from melody.limits.verifying import ensure
from melody.piece import Part, Piece
from melody.sampling import Model, load
from melody.sampling.keywords import limits_of, whole
from melody.sampling.tasks.file_prompt import meant_for
from melody.signatures import TICKS_PER_QUARTER, Tempo, TimeSignature, check_time_signature

TASKS = ("vary", "continue")
MAX_BYTES, MAX_BARS = 4_000_000, 512
_HEAD, _ANSWER = "melody-bridge 1", "melody-answer 1"
_QUARTERS = 1_000_000  # a request reaches so far


@dataclass(frozen=True)
class Request:
    """What a DAW asks for.

    Parameters
    ----------
    task
        One of `TASKS`.
    model
        The name of a model.
    first, last
        Bars, from 1.
    piece
        The notes of the track.
    limits
        What the new notes keep to.
    """

    task: str
    model: str
    first: int
    last: int
    piece: Piece
    limits: Limits


def read_request(text: str) -> Request:
    """The request in a file's text.

    Raises
    ------
    ArgumentError
        If it is none; the message says which line is wrong.
    MelodyError
        If there are no notes, the metre is none, or a limit cannot be read.
    """
    lines = text.splitlines()
    if not lines or lines[0].strip() != _HEAD:
        raise ArgumentError(f"no request of a DAW: its first line must be '{_HEAD}'; install the script again")
    words = [line.split(maxsplit=1) for line in lines[1:] if line.strip()]
    facts = {word[0]: word[-1].strip() if len(word) > 1 else "" for word in words if word[0] != "note"}
    notes = [_note(word[1] if len(word) > 1 else "") for word in words if word[0] == "note"]
    missing = {"task", "model", "first", "last", "numerator", "denominator", "tempo"} - set(facts)
    if missing:
        raise ArgumentError(f"the request lacks {', '.join(sorted(missing))}; install the script again")
    if facts["task"] not in TASKS:
        raise ArgumentError(f"the task is {shown(facts['task'])}; it must be {' or '.join(TASKS)}")
    first, last, top, bottom = (_integer(name, facts[name]) for name in ("first", "last", "numerator", "denominator"))
    if not 1 <= first <= last < first + MAX_BARS:
        raise ArgumentError(f"the bars are {first} to {last}; select 1 to {MAX_BARS} bars, none before the item begins")
    piece = _piece(notes, (top, bottom), _number("tempo", facts["tempo"]))
    return Request(facts["task"], facts["model"], first, last, piece, _limits(facts.get("options", "")))


def _note(text: str) -> tuple[float, float, int, int]:
    words = text.split()
    if len(words) == 4:
        onset, duration = (_number("a time", word) for word in words[:2])
        pitch, velocity = (_integer("a pitch or velocity", word) for word in words[2:])
        if onset > -1e-3 and duration > 0 and 0 <= pitch < 128 and 1 <= velocity < 128:
            return max(onset, 0.0), duration, pitch, velocity
    raise ArgumentError(
        f"{shown(text)} is no note; it must be onset, duration, pitch, velocity, none before the item begins"
    )


def _number(name: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not abs(found) <= _QUARTERS:
        raise ArgumentError(f"{name} is {shown(text)}; it must be a number up to {_QUARTERS:,}")
    return found


def _integer(name: str, text: str) -> int:
    return whole(name, text.removesuffix(".0")) or 0


def _piece(notes: list[tuple[float, float, int, int]], metre: tuple[int, int], tempo: float) -> Piece:
    if not notes:
        raise SamplingError("the item holds no notes; select one with notes")
    if not 1 <= tempo <= 1000:
        raise ArgumentError(f"the tempo is {tempo:g}; it must be from 1 to 1,000")
    check_time_signature(TimeSignature(0, *metre))
    ends: dict[int, int] = {}
    columns = []
    for onset, duration, pitch, velocity in sorted(notes):
        begins = max(round(onset * TICKS_PER_QUARTER), ends.get(pitch, 0))  # of one pitch no two sound at once
        ends[pitch] = max(round((onset + duration) * TICKS_PER_QUARTER), begins + 1)
        columns.append((begins, ends[pitch] - begins, pitch, velocity))
    onsets, durations, pitches, velocities = np.array(columns, np.int64).T
    return Piece(
        onsets,
        durations,
        pitches,
        velocity=velocities,
        parts=(Part(0),),
        time_signatures=(TimeSignature(0, *metre),),
        tempi=(Tempo(0, round(60e6 / tempo)),),
    )


def _limits(options: str) -> Limits:
    """Limits as the command line has them: --key Dm --range C4:C6."""
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise ArgumentError(f"the limits are {shown(options)}: {error}; write them as --key Dm --range C4:C6") from None
    given: dict[str, object] = {}
    while words:
        name = words.pop(0).removeprefix("--").replace("-", "_")
        if name not in KINDS or name == "bars":
            known = ", ".join(f"--{each.replace('_', '-')}" for each in KINDS if each != "bars")
            raise ArgumentError(f"there is no limit {shown(name)}; there are {known}")
        if KINDS[name].read is None:
            given[name] = True
        elif words:
            given[name] = words.pop(0)
        else:
            raise ArgumentError(f"--{name.replace('_', '-')} has no value; write it behind, as --key Dm")
    return limits_of(given, None, None)


def answer(request: Request, model: Model) -> str:
    """The text of the answer.

    Raises
    ------
    MelodyError
        If it cannot be met; the message says why.
    """
    piece, first, last = request.piece, request.first, request.last
    bar = piece.time_signatures[0].bar_ticks(piece.ticks_per_quarter)
    if request.task == "vary":
        made = model.vary_many(piece, (first, last), 1, limits=request.limits)[0]
        new = made.piece.select(
            (made.piece.onset >= made.first_tick) & (made.piece.onset < (made.last_tick or made.piece.length))
        )
    else:
        before = piece.select(meant_for(piece, 0, last * bar))
        if before.num_notes == 0:
            raise SamplingError(f"there are no notes up to bar {last}; select bars that have some")
        bars = last - first + 1
        made = model.continue_many(before, 1, bars=bars, limits=request.limits)[0]
        ensure(made.piece, request.limits, start=made.first_tick, first_bar=made.first_bar)
        new = made.piece.select(made.piece.onset >= made.first_tick)
    grid = made.piece.ticks_per_quarter
    rows = zip(*(column.tolist() for column in (new.onset, new.duration, new.pitch, new.velocity)))
    lines = [f"note {o / grid:.6f} {d / grid:.6f} {p} {v}" for o, d, p, v in sorted(rows)]
    return "\n".join([_ANSWER, *lines]) + "\n"


def answer_file(request: Path, out: Path) -> str:
    """Answer the request in a file with another file; gives the sentence that refuses, which is in that file, too.

    Raises
    ------
    melody.files.FileError
        If the answer cannot be written.
    """
    try:
        text = answer_text(request)
        refused = ""
    except MelodyError as error:
        refused = " ".join(str(error).split())
        text = f"refused {refused}\n"
    files.write_bytes(out, text.encode())
    return refused


def answer_text(request: Path) -> str:
    """The answer to the request in a file.

    Raises
    ------
    MelodyError
        If it cannot be read or met.
    """
    try:
        with request.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ArgumentError(f"cannot read {request}: {error.strerror}; name the request of a DAW") from None
    if len(data) > MAX_BYTES:
        raise ArgumentError(f"{request} is larger than {MAX_BYTES // 1_000_000} MB; select a shorter item")
    found = read_request(data.decode("utf-8", "replace"))
    return answer(found, load(models.find(found.model)))
