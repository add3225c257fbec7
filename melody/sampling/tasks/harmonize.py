"""Voices under a given melody, with a model of several parts of which the first is the melody's, as in chorales.

The melody's events are observed, the other parts are free from its first note to its last, and many settings are sampled
side by side (`melody.sampling.strategies.smc`): those that make the melody's next note unlikely die out, so that the harmony
leads to what comes. Of those that come to the end one is drawn that closes on the tonic, if there is one. The melody itself
is never changed. If the model has no rhythm for it, the voices are written to the nearest rhythm that it has, and then
stretched to the melody's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import lcm
from typing import Any

import numpy as np

from melody.errors import SamplingError
from melody.limits import Limits
from melody.piece import Ints, Piece
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.counterpoint import Counterpoint
from melody.sampling.constraints.observations import aligned, decoded, observe, timed
from melody.sampling.constraints.user.pitch import Pitches
from melody.sampling.loaded import Source
from melody.sampling.prompt import understood
from melody.sampling.provenance import provenance
from melody.sampling.quality import closes
from melody.sampling.result import Result
from melody.sampling.search import Search
from melody.sampling.settings import VOICES_TEMPERATURE, SamplingSettings
from melody.sampling.tasks.generate import new_tunes
from melody.sampling.tasks.limited import Reading, pitches_within, refuse
from melody.sampling.tasks.observing import filling
from melody.score.names import pitch_name
from melody.signatures import Key
from melody.statistics.keys import likeliest_keys
from melody.tokens.vocabulary import Rows, Vocabulary

MAX_NOTES, MAX_QUARTERS = 2_000, 2_000
_OF_THE_MELODY = {
    "key": "the key is that of the melody, or what is given beside the limits",
    "metre": "the metre is the melody's",
    "tempo": "the tempo is the melody's",
    "bars": "the voices end with the melody",
    "end_on_tonic": "the melody's last note may be any",
    "instruments": "the model's voices sing under the melody, each of them",
    "velocity": "the voices are as loud as the melody",
}
_TUNES, _EVENTS = 8, 48  # that show where the model's first part lies


def harmonize(source: Source, melody: Piece, **options: Any) -> list[Result]:
    """All `harmonies` of a melody, parameters and errors as there."""
    return list(harmonies(source, melody, **options))


def harmonies(
    source: Source,
    melody: Piece,
    *,
    key: str | None = None,
    strict: bool = True,
    candidates: int = 64,
    count: int = 1,
    limits: Limits | None = None,
    range_of: Mapping[str, tuple[int, int]] | None = None,
    settings: SamplingSettings | None = None,
) -> Iterator[Result]:
    """`count` different ways to set a melody, each as soon as it is made.

    Parameters
    ----------
    source
        Of music in several parts.
    melody
        One part, one note at a time, at most 2,000 notes and 2,000 quarters.
    key
        Such as 'Dm'; without it the piece's own, or if it names none the one under which the melody is likeliest.
    strict
        Whether no two voices may move in parallel fifths or octaves (`melody.sampling.constraints.counterpoint`).
    candidates
        How many settings are sampled side by side, 1 to 1,000.
    count
        Each has a random stream of its own, so the third is the same whether three are asked for or ten.
    limits
        What the voices keep to, with the melody where it counts: scale, range, leaps, notes at once and in a bar, grid and
        chords, these counted from the melody's first full bar.
    range_of
        Lowest and highest pitch of single voices, by their name or number; the melody is number 1.
    settings
        How the voices' notes are drawn; None is a temperature of 0.6.

    Raises
    ------
    SamplingError
        If the melody has no notes, several parts or too many notes, is drums or too long, the model knows one part only, or
        no way leads through; if the limits cannot be kept, or there is no such voice.
    melody.errors.VocabularyError
        If the model cannot understand the melody; the message says why.
    """
    if not 1 <= candidates <= 1000:
        raise SamplingError(f"{candidates:,} candidates were asked for; ask for 1 to 1,000")
    settings = settings or SamplingSettings(temperature=VOICES_TEMPERATURE)
    settings = settings.settled(source.file.training)
    limits, ranges = limits or Limits(), range_of or {}
    refuse(limits, _OF_THE_MELODY)
    setting = _Setting(source, melody, key)
    also = [*([Counterpoint(source.vocabulary)] if strict else []), *setting.constraints(limits, ranges)]
    any_close = bool(limits.chords) or settings.any_ending
    parallels = "" if strict else " parallels=allowed"
    description = f"candidates={candidates}{parallels}, voices under the melody{_limits_text(limits, ranges)}"
    for number in range(count):
        random = np.random.default_rng([settings.seed, number])
        harmony = setting.harmonized(also, candidates, settings, random, any_close)
        text = provenance(source.file, settings, number, description, **source.running)
        yield replace(harmony.with_text(text), number=number)


class _Setting:
    """A melody as the model understands it, and how the voices come under the melody as it is."""

    def __init__(self, source: Source, melody: Piece, key: str | None) -> None:
        _check(source.vocabulary, melody)
        self._source, self._vocabulary = source, source.vocabulary
        grid = self._vocabulary.ticks_per_quarter
        melody = melody.resolution(lcm(melody.ticks_per_quarter, grid)) if melody.ticks_per_quarter % grid else melody
        number = int(melody.part[0])
        self._melody = replace(melody, part=np.zeros_like(melody.part), parts=(melody.parts[number],))
        self._scale = melody.ticks_per_quarter // grid
        read = self._melody.resolution(grid) if self._scale > 1 else self._melody
        self._start = int(read.bar_starts(int(read.onset[0]) + 1)[-1])  # silent bars before are not read
        read = read.slice(self._start, read.length)
        read = replace(read, parts=self._vocabulary.parts[:1], keys=_named_keys(self._vocabulary, read, key))
        guessed = key is None and read.keys and not self._melody.keys
        self._key_remark = (f"names no key; by its notes it is taken for {read.keys[0].name}",) if guessed else ()
        octaves = _octaves_to_sing(source, read)
        self._music = understood(self._vocabulary, read, octaves=octaves, keep_rhythm=True)
        lower = np.arange(len(self._vocabulary.parts)) > 0
        piece = self._music.piece
        first, last = int(piece.onset[0]), piece.length
        self._observed = observe(self._vocabulary, piece, lower, first, last, to_the_end=True)
        self._aligned = aligned(self._vocabulary, self._observed)

    def harmonized(
        self,
        also: Sequence[Constraint],
        candidates: int,
        settings: SamplingSettings,
        random: np.random.Generator,
        any_close: bool,
    ) -> Result:
        """One way to set the melody, of several that closes on the tonic unless it may close on `any_close`."""
        decoder, observations = self._source.decoder.without_key_prior(), self._aligned
        particles = filling(decoder, observations, also, candidates, settings, random)
        particles.run()
        before = timed(self._vocabulary, observations.rows[: observations.prefix], observations.tick[: observations.prefix])

        def piece_of(rows: Rows) -> Piece:
            return decoded(self._vocabulary, np.concatenate([before, rows]))

        piece = piece_of(particles.draw(None if any_close else lambda rows: closes(piece_of(rows))))
        return Result(self._with_voices(piece), parts=self._new_parts(), remarks=(*self._key_remark, *self._music.remarks))

    def constraints(self, limits: Limits, ranges: Mapping[str, tuple[int, int]]) -> list[Constraint]:
        """What the voices keep to."""
        if self._aligned is not self._observed and (limits.grid or limits.chords or limits.density):
            raise SamplingError(
                "the model has no rhythm for this melody and reads it in another one, so that grid, chords and density "
                "cannot be kept to; leave them out"
            )
        own, voices = self._melody, np.arange(len(self._vocabulary.parts)) > 0
        origin = int(own.bar_starts(own.length + 1)[int(own.has_pickup)]) // self._scale - self._start
        metre = own.time_signature_at(max(own.length - 1, 0))[1:]
        reading = Reading(self._vocabulary, self._music.octaves, {}, metre, origin)
        return [*reading.constraints(limits, voices), *self._ranges(ranges)]

    def _ranges(self, ranges: Mapping[str, tuple[int, int]]) -> list[Constraint]:
        """The range of each voice that has one of its own."""
        allowed = np.ones((len(self._vocabulary.parts), self._vocabulary.num_pitches), bool)
        for name, pitches in ranges.items():
            voice = _voice(self._vocabulary, name)
            allowed[voice] &= pitches_within(Limits(range=pitches), self._vocabulary, self._music.octaves)
        return [] if allowed.all() else [Pitches(allowed)]

    def _new_parts(self) -> tuple[int, ...]:
        """Numbers of the voices under the melody, which is part 0."""
        return tuple(range(1, len(self._vocabulary.parts)))

    def _with_voices(self, piece: Piece) -> Piece:
        onset, end = self._in_own_time(piece.onset), self._in_own_time(piece.end)
        kept = (piece.part > 0) & (end > onset)
        columns: dict[str, Any] = {
            "onset": onset,
            "duration": end - onset,
            "pitch": np.where(piece.is_drum, piece.pitch, piece.pitch - 12 * self._music.octaves),
            "velocity": np.full(piece.num_notes, int(np.median(self._melody.velocity))),
            "part": piece.part,
        }
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(self._melody, name), column[kept]]) for name, column in columns.items()
        }
        keys = self._melody.keys or self._music.piece.keys
        parts = (*self._melody.parts, *self._vocabulary.parts[1:])
        return replace(self._melody, **joined, parts=parts, keys=keys)

    def _in_own_time(self, ticks: Ints) -> Ints:
        """Ticks of the model's music in the melody's, by the melody's own notes."""
        if self._aligned is not self._observed:
            ticks = np.rint(np.interp(ticks, self._aligned.tick, self._observed.tick)).astype(np.int64)
        return (ticks + self._start) * self._scale


def _voice(vocabulary: Vocabulary, name: str) -> int:
    """The number of a voice under the melody, from 1, by its name or its number in the music, the melody being 1."""
    voices = vocabulary.parts[1:]
    found = [i for i, part in enumerate(voices, 1) if name.strip().lower() in (part.name.lower(), str(i + 1))]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{i} ({part.name})" if part.name else str(i) for i, part in enumerate(voices, 2))
    raise SamplingError(f"there is no voice '{name[:40]}' under the melody to give a range; there are {known}")


def _limits_text(limits: Limits, ranges: Mapping[str, tuple[int, int]]) -> str:
    """What the voices keep to, in words for the file."""
    words = [] if limits == Limits() else [limits.summary.removeprefix("bars=None ")]
    words += [f"range-of={name}={pitch_name(low)}:{pitch_name(high)}" for name, (low, high) in ranges.items()]
    return "".join(f", {word}" for word in words)


def _check(vocabulary: Vocabulary, melody: Piece) -> None:
    if len(vocabulary.parts) < 2:
        raise SamplingError("this model knows one part only; harmonize with a model of several, such as chorales")
    if melody.num_notes == 0:
        raise SamplingError("the melody holds no notes; give a file with at least one")
    if len(set(melody.part.tolist())) > 1:
        raise SamplingError(f"the melody has {len(set(melody.part.tolist()))} parts; give a file with the melody alone")
    if melody.is_drum.any():
        raise SamplingError("the melody is played by drums, which have no pitch to set voices under; give a melody")
    if melody.num_notes > MAX_NOTES:
        raise SamplingError(f"the melody has {melody.num_notes:,} notes; give at most {MAX_NOTES:,} at once")
    if (quarters := (melody.length - int(melody.onset[0])) // melody.ticks_per_quarter) > MAX_QUARTERS:
        raise SamplingError(f"the melody is {quarters:,} quarter notes long; give at most {MAX_QUARTERS:,} at once")


def _named_keys(vocabulary: Vocabulary, melody: Piece, key: str | None) -> tuple[Key, ...]:
    """The key that was asked for, or the melody's own, as the vocabulary spells them.

    If there is neither, the likeliest by the notes alone: a model of several parts cannot tell from one of them.
    """
    if key is None and (melody.keys or not vocabulary.keys):
        return melody.keys
    asked = Limits.parse(key=key).key
    known = {(named.tonic, named.mode): named for named in (Key(0, *one) for one in vocabulary.keys)}
    wanted = likeliest_keys(melody) if asked is None else [asked]
    same = [known[likely.tonic, likely.mode] for likely in wanted if (likely.tonic, likely.mode) in known]
    if not same:
        names = ", ".join(named.name for named in known.values())
        raise SamplingError(f"the model has never seen the key of {wanted[0].name}; it knows {names}")
    return (same[0],)


def _octaves_to_sing(source: Source, melody: Piece) -> int:
    """By how many octaves to move a melody to where the model's first part lies: none unless it is far from there."""
    settings = SamplingSettings(any_ending=True, max_notes=_EVENTS)
    tunes = [made.piece for made in new_tunes(source, Search(_TUNES), Limits(), settings)]
    pitches = [tune.pitch[source.vocabulary.part_numbers(tune)[tune.part] == 0] for tune in tunes]
    model_median, own = np.median(np.concatenate([*pitches, melody.pitch[:0]])), np.median(melody.pitch)
    legal = [k for k in range(-10, 11) if melody.pitch.min() + 12 * k >= 0 and melody.pitch.max() + 12 * k <= 127]
    return min(legal, key=lambda k: abs(own + 12 * k - model_median) + 6 * (k != 0))
