"""`Piece` <-> `pretty_midi.PrettyMIDI`, the object users know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from melody.errors import MidiError
from melody.extras import need
from melody.midi.file_events import Source, to_piece
from melody.midi.sustain import SUSTAIN, curve_of, curves_of, holds
from melody.midi.writing import written_factor
from melody.piece import TICKS_PER_QUARTER, Ints, Part, Piece

if TYPE_CHECKING:
    import pretty_midi


def to_pretty_midi(piece: Piece) -> pretty_midi.PrettyMIDI:
    """The piece as a `PrettyMIDI` of at least 480 ticks a quarter.

    `from_pretty_midi` gives the same piece back, except that pretty_midi has no title, and one name for enharmonic keys.
    """
    need("an object of pretty_midi", "pretty_midi", error=MidiError)
    import pretty_midi

    factor = written_factor(piece.ticks_per_quarter)
    resolution = piece.ticks_per_quarter * factor
    pm = pretty_midi.PrettyMIDI(resolution=resolution, charset="utf-8")
    # pretty_midi truncates to whole microseconds when it writes: a thousandth more keeps the tempo what it is.
    pm._tick_scales = [(t.onset * factor, (t.microseconds + 1e-3) / 1e6 / resolution) for t in piece.tempi]
    changes = [piece.length, *(e.onset for e in piece.tempi + piece.time_signatures + piece.keys)]
    last = max([*changes, *(press.end for press in piece.pedals)])
    pm._update_tick_to_time(last * factor)

    def seconds(tick: int) -> float:
        return float(pm.tick_to_time(int(tick) * factor))

    pm.time_signature_changes = [
        pretty_midi.TimeSignature(t.numerator, t.denominator, seconds(t.onset)) for t in piece.time_signatures
    ]
    pm.key_signature_changes = [
        pretty_midi.KeySignature(k.tonic + 12 * (k.mode == "minor"), seconds(k.onset)) for k in piece.keys
    ]
    pm.text_events = [pretty_midi.Text(text, 0.0) for text in piece.texts]
    pm.instruments = [pretty_midi.Instrument(p.program, p.is_drum, p.name) for p in piece.parts]
    for onset, end, pitch, velocity, part in zip(piece.onset, piece.end, piece.pitch, piece.velocity, piece.part):
        note = pretty_midi.Note(int(velocity), int(pitch), seconds(onset), seconds(end))
        pm.instruments[part].notes.append(note)
    for part, instrument in enumerate(pm.instruments):
        turns = curves_of(piece)[0].T.tolist() if holds(piece, part) else []
        instrument.control_changes = [pretty_midi.ControlChange(SUSTAIN, value, seconds(tick)) for tick, value in turns]
    return pm


def from_pretty_midi(pm: pretty_midi.PrettyMIDI, ticks_per_quarter: int = TICKS_PER_QUARTER) -> Piece:
    """The piece in a `PrettyMIDI`, snapped to the grid and made legal as when reading a file.

    Pitch bends, controllers but the pedal, and lyrics are left out: a piece is notes.
    """
    rows = [
        (pm.time_to_tick(note.start), pm.time_to_tick(note.end), note.pitch, note.velocity, part)
        for part, instrument in enumerate(pm.instruments)
        for note in instrument.notes
    ]
    source = Source(
        ticks_per_quarter=pm.resolution,
        notes=np.array(rows, np.int64).reshape(-1, 5).T,
        parts=[Part(i.program, i.is_drum, i.name) for i in pm.instruments],
        time_signatures=[(pm.time_to_tick(t.time), t.numerator, t.denominator) for t in pm.time_signature_changes],
        tempi=[(tick, round((scale * pm.resolution) * 1e6 - 1e-3)) for tick, scale in pm._tick_scales],
        keys=[(pm.time_to_tick(k.time), *_fifths(k.key_number)) for k in pm.key_signature_changes],
        texts=tuple(t.text for t in pm.text_events),
        sustain=[_curve(pm, i) for i in pm.instruments if Part(i.program, i.is_drum).is_keyboard],
    )
    return to_piece(source, ticks_per_quarter, [])[0]


def _curve(pm: pretty_midi.PrettyMIDI, instrument: pretty_midi.Instrument) -> Ints:
    changes = [(pm.time_to_tick(change.time), change.number, change.value) for change in instrument.control_changes]
    return curve_of(*np.array(changes, np.int64).reshape(-1, 3).T)


def _fifths(key_number: int) -> tuple[int, int]:
    """Accidentals and mode of pretty_midi's key number: pitch class of the tonic, 12 more for minor."""
    minor, tonic = divmod(key_number, 12)
    major = tonic + 3 if minor else tonic
    return (7 * major + 5) % 12 - 5, minor
