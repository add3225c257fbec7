"""`Limits`: what the music must keep to, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Real
from typing import Any

from melody.errors import SamplingError
from melody.limits.chords import Chord
from melody.limits.instruments import Instrument
from melody.limits.kinds import KINDS, Kind
from melody.limits.scales import Scale, scale_of
from melody.score.names import pitch_name
from melody.signatures import Key

MAX_TEXT = 10_000
Written = str | int | float | None


@dataclass(frozen=True)
class Limits:
    """What the music must keep to; None, False or empty where anything goes.

    Drums have no pitch: key, scale, range, leap, polyphony, final tonic and chords are not about them.

    Parameters
    ----------
    key
        Every note belongs to it (in minor the raised sixth and seventh do too), and the key signature is its own.
    scale
        Every note belongs to it; with a key as well, the key says signature and tonic and the scale says the notes.
    range
        Lowest and highest MIDI pitch.
    max_leap
        Each note is at most so many semitones from the nearest of the notes that its part began last before it.
    max_polyphony
        At most so many notes sound at once, over all parts.
    density
        At most so many notes begin in a bar, over all parts, drums included.
    grid
        Parts of a whole note: each note begins and ends a whole number of one of them after a bar line.
    metre
        Numerator and denominator, throughout.
    tempo
        Quarter notes per minute, throughout.
    bars
        The last note ends in this bar; a pick-up (a first bar silent for half of it or more) is not counted.
    end_on_tonic
        The note that begins last, the lowest if there are several, is the tonic.
    instruments
        No others play.
    velocity
        Softest and loudest, 1-127.
    chords
        Of each bar, the pick-up not counted, over and over: on every beat, and where a chord begins, whatever begins or
        sounds there belongs to the chord.
    """

    key: Key | None = None
    scale: Scale | None = None
    range: tuple[int, int] | None = None
    max_leap: int | None = None
    max_polyphony: int | None = None
    density: int | None = None
    grid: tuple[Fraction, ...] = ()
    metre: tuple[int, int] | None = None
    tempo: float | None = None
    bars: int | None = None
    end_on_tonic: bool = False
    instruments: tuple[Instrument, ...] = ()
    velocity: tuple[int, int] | None = None
    chords: tuple[tuple[Chord, ...], ...] = ()

    @classmethod
    def parse(
        cls,
        *,
        key: Written | Key = None,
        scale: Written | Sequence[str] = None,
        range: Written | Sequence[Written] = None,
        max_leap: Written = None,
        max_polyphony: Written = None,
        density: Written = None,
        grid: Written | Fraction | Sequence[str | Fraction] = None,
        metre: Written | Sequence[Written] = None,
        tempo: Written = None,
        bars: Written = None,
        end_on_tonic: bool = False,
        instruments: Written | Sequence[Written] = None,
        velocity: Written | Sequence[Written] = None,
        chords: Written | Sequence[str] = None,
    ) -> Limits:
        """The limits a musician has written, each as the parser of its kind says; None where nothing is asked for.

        Numbers may be numbers, and what consists of several a sequence of them.

        >>> Limits.parse(key="Dm", range="C4:C6", max_leap=12).range
        (60, 84)
        >>> Limits.parse(range=("C4", 84), metre=(3, 4), chords=["Dm G7", "C"]).summary
        'bars=None range=C4:C6 metre=3/4 chords=Dm,G7|C'

        Raises
        ------
        SamplingError
            If one of them cannot be understood: one line that says what came and what is legal.
        """
        given = {
            "key": key,
            "scale": scale,
            "range": range,
            "max_leap": max_leap,
            "max_polyphony": max_polyphony,
            "density": density,
            "grid": grid,
            "metre": metre,
            "tempo": tempo,
            "bars": bars,
            "instruments": instruments,
            "velocity": velocity,
            "chords": chords,
        }
        read: dict[str, Any] = {}
        for name, value in given.items():
            if value is not None:
                read[name] = _parsed(KINDS[name], value, read)
        return cls(**read, end_on_tonic=end_on_tonic)

    @property
    def more_than_bars(self) -> bool:
        """Whether anything but the number of bars is asked for."""
        return replace(self, bars=None) != Limits()

    @property
    def summary(self) -> str:
        """All that is asked for, in words for the file.

        >>> Limits.parse(key="Dm", range="C4:C6", bars=8, chords="Dm G7 | C").summary
        'bars=8 key=Dm range=C4:C6 chords=Dm,G7|C'
        """
        low, high = (pitch_name(pitch) for pitch in self.range or (0, 127))
        words: dict[str, object] = {
            "key": self.key and self.key.name,
            "scale": self.scale and self.scale.name,
            "range": self.range and f"{low}:{high}",
            "max-leap": self.max_leap,
            "max-polyphony": self.max_polyphony,
            "density": self.density,
            "grid": ",".join(map(str, self.grid)),
            "metre": self.metre and f"{self.metre[0]}/{self.metre[1]}",
            "tempo": self.tempo,
            "end-on-tonic": self.end_on_tonic or None,
            "instruments": ",".join(instrument.name for instrument in self.instruments),
            "velocity": self.velocity and f"{self.velocity[0]}:{self.velocity[1]}",
            "chords": "|".join(",".join(chord.name for chord in bar) for bar in self.chords),
        }
        return " ".join([f"bars={self.bars}", *(f"{name}={value}" for name, value in words.items() if value)])

    @property
    def notes(self) -> Scale | None:
        """The notes of the scale, else of the key; None if any note will do."""
        return self.scale or (scale_of(self.key) if self.key else None)

    @property
    def tonic(self) -> int | None:
        """Pitch class of the tonic: the key's, else the scale's first note."""
        return self.key.tonic if self.key else self.scale.tonic if self.scale else None

    @property
    def flats(self) -> bool:
        """Whether notes are better named with flats than with sharps."""
        return self.key is not None and self.key.fifths < 0


def written(value: object, between: str = "") -> str:
    """A value as a musician writes it; what no limit can be stays recognisable, for the message of its parser.

    >>> written((60, 84), ":"), written(Key(0, -1, "minor")), written((Fraction(1, 16), Fraction(1, 12)), ",")
    ('60:84', 'Dm', '1/16,1/8t')

    Parameters
    ----------
    value
        What came.
    between
        What stands between several.
    """
    if isinstance(value, Key):
        return value.name
    if isinstance(value, Fraction):
        is_triplet = value.denominator % 3 == 0
        return f"{value * Fraction(3, 2)}t" if is_triplet else str(value)
    if isinstance(value, (tuple, list)) and between and len(value) <= MAX_TEXT:
        return between.join(written(one) for one in value)
    if isinstance(value, int) and abs(value) >= 10**18:  # Python writes no more than 4,300 digits
        return "a huge number"
    is_plain = isinstance(value, (str, Real)) and not isinstance(value, bool)
    return str(value) if is_plain else repr(value)


def _parsed(kind: Kind, value: object, others: Mapping[str, Any]) -> Any:
    """The value of a limit; `others` are those before it: a scale may be named by the tonic of the key."""
    text = written(value, kind.between)
    if len(text) > MAX_TEXT:
        raise SamplingError(f"a limit of {len(text):,} characters; write at most {MAX_TEXT:,}")
    assert kind.read is not None
    return kind.read(text, **{name: others[name] for name in kind.needs if name in others})
