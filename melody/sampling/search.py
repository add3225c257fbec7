"""How tunes are looked for: drawn by chance, the best of many, or the likeliest by a beam."""

from __future__ import annotations

from dataclasses import dataclass

from melody.errors import SamplingError
from melody.sampling.strategies.beam import check_width

MAX_COUNT = 1_000_000


@dataclass(frozen=True)
class Search:
    """How tunes are looked for.

    Parameters
    ----------
    count
        How many are wanted, 1 to 1,000,000.
    best_of
        Of how many drawn they are the best, see `melody.sampling.quality`; None for as many as are wanted.
    beam
        The width of a beam search for the likeliest one; None to draw them by chance.

    Raises
    ------
    SamplingError
        If a number is out of range, or they do not go together.
    """

    count: int
    best_of: int | None = None
    beam: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise SamplingError(f"{self.count:,} tunes were asked for; ask for 1 to {MAX_COUNT:,}")
        if self.best_of is not None and not self.count <= self.best_of <= MAX_COUNT:
            raise SamplingError(
                f"the best {self.count:,} of {self.best_of:,} were asked for; draw {self.count:,} to {MAX_COUNT:,}"
            )
        if self.beam is not None:
            check_width(self.beam)
            if self.count > 1 or self.best_of is not None:
                raise SamplingError("a beam search finds one tune, the likeliest; leave out the count and the best-of")

    @property
    def ranks(self) -> bool:
        """Whether it is wanted how good the tunes are."""
        return self.best_of is not None or self.beam is not None

    @property
    def num_samples(self) -> int:
        """How many are drawn."""
        return self.best_of or self.count
