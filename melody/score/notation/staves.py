"""Players, staves and voices: which notes of a piece stand where on the page, and under which clef."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from melody.errors import ScoreError
from melody.extras import need
from melody.hands import right_hand
from melody.piece import Ints, Part
from melody.score.notation.metre import GRID
from melody.score.notation.sheet import Sheet
from melody.text import plain

# What each clef holds without ledger lines, and how much worse it must be to be preferred to a common one (semitones).
CLEFS = {"treble": (62, 79, 0.0), "bass": (41, 59, 0.0), "treble-8va": (74, 91, 4.0), "bass-8vb": (29, 47, 4.0)}
SATB = ("soprano", "alto", "tenor", "bass")
FEET = (35, 36, 44)

Layout = tuple[str, Part, list[tuple[str, list[Ints]]]]


def layouts(sheet: Sheet, short_score: bool) -> list[Layout]:
    """Name, part, and staves (clef, voices) of each player."""
    piece, kept = sheet.piece, sheet.kept
    shown = [i for i, notes in enumerate(kept) if len(notes)]
    if short_score and _is_chorale(sheet, shown):
        high, low = (["Soprano", "Alto"], ["Tenor", "Bass"])
        pairs = ((high, "treble", shown[:2]), (low, "bass", shown[2:]))
        return [("\n".join(names), piece.parts[two[0]], [(clef, [kept[i] for i in two])]) for names, clef, two in pairs]
    return [(_name(piece.parts[i], len(shown)), piece.parts[i], _staves(sheet, i)) for i in shown]


def _is_chorale(sheet: Sheet, shown: list[int]) -> bool:
    """Four single voices, from the highest down, named as such or of one instrument."""
    parts = [sheet.piece.parts[i] for i in shown]
    if len(shown) != 4 or any(part.is_drum for part in parts):
        return False
    named = all(part.name.lower().startswith(voice[0]) for part, voice in zip(parts, SATB)) and parts[0].name != ""
    if not named and len({(part.program, part.name) for part in parts}) > 1:
        return False
    single = all(np.all(sheet.end[n][:-1] <= sheet.start[n][1:]) for n in (sheet.kept[i] for i in shown))
    means = [sheet.piece.pitch[sheet.kept[i]].mean() for i in shown]
    return bool(single and means == sorted(means, reverse=True))


def _name(part: Part, players: int) -> str:
    if part.name or players == 1:
        return plain(part.name)
    if part.is_drum:
        return "Drums"
    need("a score", "music21", error=ScoreError)
    from music21 import instrument

    try:
        return instrument.instrumentFromMidiProgram(part.program).instrumentName or f"Program {part.program}"
    except instrument.InstrumentException:
        return f"Program {part.program}"


def _staves(sheet: Sheet, index: int) -> list[tuple[str, list[Ints]]]:
    part, notes, pitch = sheet.piece.parts[index], sheet.kept[index], sheet.piece.pitch
    if part.is_drum:
        feet = np.isin(pitch[notes], FEET)
        voices = [notes[~feet], notes[feet]]
        for voice in voices:
            _lengthen_hits(sheet, voice)
        return [("percussion", voices)]
    low, high = pitch[notes].min(), pitch[notes].max()
    chords = bool(np.any(sheet.end[notes][:-1] > sheet.start[notes][1:]))
    if part.is_keyboard and low < 55 and high > 64 and chords:
        right = right_hand(sheet.start[notes], sheet.end[notes], pitch[notes], GRID)
        return [("treble", _voices(sheet, notes[right])), ("bass", _voices(sheet, notes[~right]))]
    return [(_clef(part, pitch[notes]), _voices(sheet, notes))]


def _lengthen_hits(sheet: Sheet, notes: Ints) -> None:
    """Write each hit up to the next one of its voice, or to the end of the beat."""
    onsets = np.unique(sheet.start[notes])
    for note in notes.tolist():
        start = int(sheet.start[note])
        line = sheet.lines[bisect_right(sheet.line_starts, start) - 1]
        beat = min(line.signature.beat_ticks(GRID), 36)
        following = onsets[np.searchsorted(onsets, start, side="right") :][:1]
        sheet.end[note] = min([line.start + ((start - line.start) // beat + 1) * beat, *following.tolist()])


def _clef(part: Part, pitch: Ints) -> str:
    """The clef that needs the fewest ledger lines; alto for violas, treble an octave down for tenors and guitars.

    Sopranos and altos have a treble clef, however low their notes are.
    """
    if part.name.lower().startswith(SATB[:2]):
        return "treble"
    choices = dict(CLEFS)
    if part.program == 41:
        choices["alto"] = (52, 69, -3.0)
    if 24 <= part.program <= 31 or part.name.lower().startswith("tenor"):
        choices["treble-8vb"] = (50, 67, -1.0)

    def cost(clef: str) -> float:
        low, high, price = choices[clef]
        return price + float(np.mean(np.maximum(0, low - pitch) + np.maximum(0, pitch - high)))

    return min(choices, key=cost)


def _voices(sheet: Sheet, notes: Ints) -> list[Ints]:
    """Two voices where notes of different length overlap: of two that sound together the higher goes to the first."""
    chords: dict[tuple[int, int], list[int]] = {}
    for note in notes.tolist():
        chords.setdefault((int(sheet.start[note]), int(sheet.end[note])), []).append(note)
    spans = sorted(chords, key=lambda span: (span[0], -float(np.mean(sheet.piece.pitch[chords[span]]))))
    mean = {span: float(np.mean(sheet.piece.pitch[chords[span]])) for span in spans}
    rank = dict.fromkeys(spans, 0)
    sounding: list[tuple[int, int]] = []
    for span in spans:
        sounding = [other for other in sounding if other[1] > span[0]]
        for other in sounding:
            above = 1 if mean[span] > mean[other] else -1
            rank[span], rank[other] = rank[span] + above, rank[other] - above
        sounding.append(span)
    voices: tuple[list[int], list[int]] = ([], [])
    free = [0, 0]
    for span in spans:
        wanted = int(rank[span] < 0)
        voice = 1 - wanted if free[wanted] > span[0] >= free[1 - wanted] else wanted
        voices[voice].extend(chords[span])
        free[voice] = max(free[voice], span[1])
    return [np.array(sorted(v), np.int64) for v in voices if v]
