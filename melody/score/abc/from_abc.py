"""ABC -> `Piece`: a user's tune as it stands on the page, a tune of a collection as one voice of dance music.

Conventions
-----------
How ABC is read stands in `melody.score.abc`. A user's tune (`read_abc`) has a part for each voice, every note of every
ending, and its bars as `melody.score.assembly` has them.

A tune of a collection (`read_tune`) has one part, one note at a time, and bars as `melody.score.bars` puts them together:

- Of a double stop the highest note is kept, of several voices the first.
- A quintuplet (5 takes the time of four notes and a (9 that of eight, since only so the bars of the old collections are
  full; the standard gives both the time of two.
- A first ending, which only leads back, is left out and the second follows at once: since repeats are not played out, each
  strain sounds as in its last repetition.
- A tempo that is not given is guessed from the dance (R:), or from the metre and words like "slow" (N:).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from melody.errors import ScoreError
from melody.piece import Part, Piece, Tempo
from melody.score import assembly
from melody.score.abc.abc_text import decode, plain, tunes_of
from melody.score.abc.tune_reader import Score, read_lines
from melody.score.abc.voice import Event, Measure, Voice
from melody.score.assembly import Page, PageBar, Tone
from melody.score.bars import Note, Segment, to_piece

FIDDLE = Part(40, name="Fiddle")

# A user's tune


def read_abc(content: bytes, repairs: Counter[str]) -> Piece:
    r"""The piece in an ABC file of one tune; what was left out or changed is added to `repairs`.

    Raises
    ------
    ScoreError
        If it has no notes, several tunes with notes, or more of anything than is read.

    Examples
    --------
    >>> tune = read_abc(b"X:1\nM:2/4\nL:1/8\nK:D\nV:1\n^c>fg2 |]\nV:2\nD4 |]", Counter())
    >>> tune.onset, tune.pitch, len(tune.parts)
    (array([ 0,  0, 18, 24]), array([73, 62, 78, 79]), 2)
    """
    found: Score | None = None
    tunes = tunes_of(decode(content))
    for score in map(read_lines, tunes):
        if any(event.sounds for voice in score.voices for measure in voice.measures for event in _events(measure)):
            if found:
                raise ScoreError(f"it holds {len(tunes)} tunes; give one tune a file")
            found = score
    if found is None:
        raise ScoreError("it has no notes; give an ABC tune: X:1, K:C and then notes")
    repairs.update(found.repairs)
    return assembly.to_piece(_page(found), repairs)


def _page(score: Score) -> Page:
    longest = max(score.voices, key=lambda voice: voice.now)
    first = next(iter(longest.measures)).metre or (4, 4)
    tempi = score.tempi or [(0, qpm) for qpm in (_dance_qpm(score, first),) if qpm]
    return Page(
        [Part(voice.program, voice.is_drum, voice.title) for voice in score.voices],
        [list(_tones(voice)) for voice in score.voices],
        [PageBar(measure.end - measure.onset, measure.metre) for measure in longest.measures],
        [(at, signature.key) for at, signature in longest.keys if at or not signature.silent],
        tempi,
        score.title,
    )


def _events(measure: Measure) -> list[Event]:
    return measure.events + measure.overlays


def _tones(voice: Voice) -> Iterator[Tone]:
    """The notes of a voice, ties merged."""
    sounding: dict[tuple[int, int], int] = {}
    rows: list[list[int]] = []
    for measure in voice.measures:
        for event in sorted(_events(measure), key=lambda event: event.onset) if measure.overlays else measure.events:
            for onset, duration, pitch, tied in event.sounds:
                row = sounding.pop((pitch, onset), None) if tied else None
                if row is None:
                    row = len(rows)
                    rows.append([onset, 0, pitch])
                rows[row][1] = onset + duration - rows[row][0]
                sounding[pitch, onset + duration] = row
    return (Tone(*row) for row in rows)


# A tune of a collection


def read_tune(abc: str, texts: tuple[str, ...] = ()) -> Piece:
    r"""The piece in one tune of a collection; `texts` are kept as its remarks.

    Raises
    ------
    ScoreError
        If it has no notes.
    PieceError
        If a `Piece` cannot hold it, as a note shorter than half a tick.

    Examples
    --------
    >>> tune = read_tune("X:1\nT:Pick-up\nM:3/4\nL:1/4\nK:G\nD | G A B | d2 |]")
    >>> tune.onset, tune.pitch
    (array([ 48,  72,  96, 120, 144]), array([62, 67, 69, 71, 74]))
    """
    score = read_lines(tunes_of(_edited(abc))[0])
    title = plain(title_of(abc))
    if not score.voices:
        raise ScoreError(f"{title!r} has no notes; a piece of notation needs at least one")
    segments = [_segment(measure) for measure in _last_time(score.voices[0].measures)]
    return to_piece(segments, (FIDDLE,), tempo_of(score, segments[0].metre), title, texts)


def title_of(abc: str) -> str:
    r"""The first title; in Ryan's collection some process has made `at:` of `at`.

    >>> title_of("X:1\nT:The Unfortunat:e Rake -- Jig\nT:Another title")
    'The Unfortunate Rake -- Jig'
    """
    found = re.search(r"(?m)^T:([^\r\n%]*)", abc)
    return re.sub("at:(?=[a-z-])", "at", found[1].strip()) if found else ""


def _edited(abc: str) -> str:
    """The tune with what its editors meant.

    Their tuplets; a Z for a z, and an x for nothing, as it carries a fermata or a sign on a bar line; B minor for the slip
    `Bn`; and no traces of the encoding of a mail, in which = is =3D.
    """
    abc = re.sub(r"=(?:20)?\r?\n", "\n", abc).replace("=3D", "=")
    abc = re.sub(r"(?m)^K:\s*Bn\s*$", "K:Bm", abc)
    lines = abc.splitlines()
    return "\n".join(line if re.match(r"[A-Za-z+]:\s*[^|:]|%", line) else _edited_music(line) for line in lines)


def _edited_music(line: str) -> str:
    line = re.sub(r"\(([59])(?![:\d])", lambda found: {"5": "(5:4:5", "9": "(9:8:9"}[found[1]], line)
    return re.sub(r'("[^"]*"|![^!]*!|\[[A-Z]:[^\]]*\])|x\d*|Z', lambda found: found[1] or "z" * (found[0] == "Z"), line)


def _last_time(measures: list[Measure]) -> list[Measure]:
    """The measures as in the last repetition: of the variant endings of a strain only the last."""
    kept: list[Measure] = []
    begin, number = 0, 0
    for measure in measures:
        if measure.ending > number > 0:
            del kept[begin:]
        if measure.ending:
            begin, number = len(kept), measure.ending
        kept.append(measure)
    return kept


def _segment(measure: Measure) -> Segment:
    return Segment(measure.metre or (4, 4), measure.signature.key, [[_highest(e) for e in measure.events]], measure.strong)


def _highest(event: Event) -> Note:
    top = max(event.sounds, key=lambda sound: sound.pitch, default=None)
    return Note(event.duration, top.pitch, top.tied) if top else Note(event.duration, None)


# Beats a minute of dances; a jig is in 6/8 or 9/8
_DANCES = {"reel": 108, "jig": 114, "slide": 114, "hornpipe": 84, "clog": 80, "strathspey": 60, "fling": 72, "waltz": 132}
_SLOW = re.compile("slow|tender|plaintive|feeling|expression|sorrow", re.IGNORECASE)


def tempo_of(score: Score, metre: tuple[int, int]) -> Tempo:
    """The tempo written in Q:, or a guess.

    >>> reel = tempo_of(Score(texts={"R": ["reel"]}), (2, 2))  # 108 half notes a minute
    >>> slow_air = tempo_of(Score(texts={"N": ["Slow"]}), (3, 4))
    >>> round(reel.qpm), round(slow_air.qpm)
    (216, 60)
    """
    if score.tempi:
        return Tempo.from_qpm(0, score.tempi[0][1])
    if qpm := _dance_qpm(score, metre):
        return Tempo.from_qpm(0, qpm)
    slow = _SLOW.search(" ".join(score.texts.get("N", [])))
    return Tempo.from_qpm(0, _qpm(60 if metre == (4, 4) else 100, metre) * (0.6 if slow else 1))


def _dance_qpm(score: Score, metre: tuple[int, int]) -> float | None:
    """The usual tempo of the dance in R:, None if it names none."""
    rhythm = (score.texts.get("R") or [""])[0].lower()
    pace = next((pace for name, pace in _DANCES.items() if name in rhythm), None)
    return _qpm(pace, metre) if pace else None


def _qpm(pace: float, metre: tuple[int, int]) -> float:
    """Quarter notes a minute at that many beats of the metre."""
    numerator, denominator = metre
    beats = {3: 2 if denominator == 8 else 3, 9: 3, 12: 4}.get(numerator, 2)
    return pace * 4 * numerator / denominator / beats
