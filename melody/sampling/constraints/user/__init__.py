"""What a musician asks for, each limit a constraint of its own, and what looks ahead so that the tune can come to its end.

What a limit is, `melody.limits.Limits` says. The constraints are stricter in two places where the definition would need more
than one event of foresight: a note that ends only later at the same tick counts as sounding, and under a limit of metre,
bars, grid, chords or density the metre does not change.
"""

from __future__ import annotations

from collections.abc import Iterator

from melody.limits import Limits
from melody.limits.lookups import allowed_parts, allowed_pitches, allowed_velocities
from melody.piece import Ints
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.user.crowds import Density, Polyphony
from melody.sampling.constraints.user.headers import Headers
from melody.sampling.constraints.user.lookahead import Lookahead
from melody.sampling.constraints.user.pitch import Leaps, Pitches, Tonic, Velocities
from melody.sampling.constraints.user.places import Places
from melody.sampling.constraints.user.placing import Bars, Chords, Grid
from melody.tokens import Vocabulary
from melody.tokens.grammar import Mask

__all__ = ["user_limits"]


def user_limits(
    vocabulary: Vocabulary,
    limits: Limits,
    *,
    origin: int | None = None,
    parts: Mask | None = None,
    before: tuple[Mask, Ints] | None = None,
) -> list[Constraint]:
    """What `limits` ask for, each as a constraint, and the look-ahead for all of them.

    Parameters
    ----------
    vocabulary
        Of the events.
    limits
        They have been checked (`melody.limits.check`) against the vocabulary.
    origin
        The tick of the bar that chords are counted from; None for the first bar of a piece, a pick-up not counted.
    parts
        Which parts may play, (parts,); by default those that the limits allow.
    before
        Which pitches are within a leap of what each part began last, (parts, pitches), and the nearest of them to it,
        (parts,); None if nothing came before, or if the masks were there when it came.
    """
    parts = allowed_parts(limits, vocabulary) if parts is None else parts
    drums = vocabulary.drums
    pitches = parts[:, None] & (allowed_pitches(limits, vocabulary) | drums[:, None])  # (parts, pitches)
    places = Places(vocabulary, limits)
    last = before[1] if before else None
    single = _single(vocabulary, limits, pitches, places, origin, before[0] if before else None)
    return [*single, Lookahead(vocabulary, limits, places, pitches, origin, last)]


def _single(
    vocabulary: Vocabulary, limits: Limits, pitches: Mask, places: Places, origin: int | None, reach: Mask | None
) -> Iterator[Constraint]:
    """Each limit by itself; none knows of another."""
    yield Headers(vocabulary, limits)
    yield Pitches(pitches)
    if limits.max_leap is not None:
        yield Leaps(vocabulary, limits.max_leap, reach)
    if limits.end_on_tonic:
        yield Tonic(vocabulary, limits.tonic)
    if limits.max_polyphony is not None:
        yield Polyphony(limits.max_polyphony)
    if limits.density is not None:
        yield Density(limits.density)
    if limits.grid:
        yield Grid(places)
    if limits.chords:
        yield Chords(places, origin)
    if limits.bars is not None:
        yield Bars()
    if limits.velocity is not None:
        yield Velocities(allowed_velocities(limits, vocabulary))
