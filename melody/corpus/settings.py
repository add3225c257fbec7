"""How a folder becomes a corpus."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from melody.errors import CorpusError
from melody.midi import ReadLimits
from melody.tokens.fineness import MANY

READING = 10  # counted up when files come to be read or judged in another way: stores made before are made again
MOST_PARTS = 256  # of one piece: an event has eight bits for the number of a part


@dataclass(frozen=True)
class PrepareSettings:
    """How a folder becomes a corpus.

    Parameters
    ----------
    min_notes
        Pieces with fewer notes are rejected; at least 1.
    part
        What is taken of a piece with several parts: 'all'; 'highest', the pitched part with the highest mean pitch;
        'melodic', the one that is most like a melody (`melody.corpus.read.part_selection`); a number from '1'; or a track's
        name, in any case.
    drums
        Whether drum parts are kept; only with part 'all'.
    pedal
        Whether the sustain pedal is encoded where a quarter of the pieces press it (`melody.tokens.usage.PEDALLED`). Without
        it notes are as long as their keys are held, as in a score: what sounds on by the pedal would be no duration that a
        hand plays, and would end where the foot lifts.
    find_beats
        Whether performances get a tempo map that follows their beats where these are clear (`melody.corpus.read.beats`).
        Off by default: it is not measured whether a model that learns from such pieces is better, prompts are read as they
        are played, and each beat adds a tempo event.
    ticks_per_quarter
        The grid, 1 to 960; or 'auto': 24 if most onsets of the corpus lie on it, a finer one for performances
        (`melody.corpus.read.grid_choice`).
    valid, test
        Share of the pieces for choosing the model and for the final measurement, 0 to 0.5 each.
    seed
        Of the split.
    transpositions
        Semitones by which training will transpose, 0 among them; the vocabulary holds what comes of it. Augmentation
        itself is training's, on its own pieces only.
    max_values
        Most times between events that the vocabulary may have; where there are more, some stand for all near them
        (`melody.tokens.fineness`). Pieces with others are fitted, and that is reported.
    limits
        What one file may cost.
    workers
        Processes; 0 for one for each core where there is work enough for it, as the command line has it. With more than
        one, a script that calls `prepare` must do so below `if __name__ == "__main__":`, so the default is 1.
    dask
        Address of a Dask scheduler that does the work instead, such as 'tcp://host:8786'; its workers must see the folder
        under the same name. Needs the package `distributed`.
    """

    min_notes: int = 16
    part: str = "all"
    drums: bool = True
    pedal: bool = True
    find_beats: bool = False
    ticks_per_quarter: int | Literal["auto"] = "auto"
    valid: float = 0.1
    test: float = 0.1
    seed: int = 0
    transpositions: tuple[int, ...] = tuple(range(-5, 7))
    max_values: int = MANY
    limits: ReadLimits = field(default_factory=ReadLimits)
    workers: int = 1
    dask: str = ""

    def __post_init__(self) -> None:
        if self.min_notes < 1:
            raise CorpusError(f"min_notes is {self.min_notes}; it must be at least 1")
        for name in ("valid", "test"):
            share = getattr(self, name)
            if not 0 <= share <= 0.5:
                raise CorpusError(f"the share for {name} is {share}; it must be from 0 to 0.5")
        if 0 not in self.transpositions:
            raise CorpusError("transpositions must contain 0, the music as it is")
        if self.ticks_per_quarter != "auto" and not 1 <= self.ticks_per_quarter <= 960:
            raise CorpusError(f"ticks_per_quarter is {self.ticks_per_quarter}; it must be 'auto' or from 1 to 960")
        if not 1 <= self.limits.max_tracks <= MOST_PARTS:
            raise CorpusError(f"the limit on tracks is {self.limits.max_tracks}; it must be from 1 to {MOST_PARTS}")
        if not self.part.strip():
            raise CorpusError("the part is empty; give 'all', 'highest', 'melodic', a number or a track's name")

    def to_dict(self) -> dict[str, Any]:
        """What the result depends on, plain JSON: not how many processes do the work."""
        data = {k: v for k, v in asdict(self).items() if k not in ("workers", "dask")}
        return data | {"transpositions": list(self.transpositions)}

    def validation_key(self, ticks_per_quarter: int) -> str:
        """What the verdict on a single file depends on: two equal ones may share a cache."""
        limits = {k: v for k, v in asdict(self.limits).items() if k != "max_seconds"}
        decisive = [READING, self.min_notes, self.part, self.drums, self.find_beats, ticks_per_quarter, limits]
        return json.dumps(decisive, sort_keys=True)
