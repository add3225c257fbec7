"""Which grid a corpus is on, by measurement.

Scores lie on 24 ticks a quarter but for rounding; the onsets of a performance lie anywhere. Of a sample of the files, the
share of onsets further from the grid than a tenth of its step is measured (and further than rounding in the file's own
ticks explains). Onsets that lie anywhere would come to 80 %; beyond `OFF_GRID` the corpus is taken as performances and gets
the coarsest of `FINER` whose rounding, at the corpus' median tempo, moves no onset by more than `MAX_ROUNDING` seconds. That
is below the 10 ms or so from which on listeners notice (Friberg and Sundberg 1995).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from melody import midi
from melody.corpus.discover.listing import Chunk, is_score
from melody.corpus.settings import PrepareSettings
from melody.errors import MelodyError
from melody.midi import ReadLimits
from melody.midi.file_events import START, Source
from melody.piece import TICKS_PER_QUARTER

SAMPLE = 32  # files
OFF_GRID = 0.5
FINER = (48, 96, 192, 480, 960)
MAX_ROUNDING = 0.003  # seconds


def for_corpus(chunks: Sequence[Chunk], settings: PrepareSettings) -> tuple[int, str]:
    """Ticks a quarter for the corpus, and a line on why; the line is empty if the grid is the usual one or was asked for."""
    if settings.ticks_per_quarter != "auto":
        return settings.ticks_per_quarter, ""
    return chosen(chunks, settings.limits)


def chosen(chunks: Sequence[Chunk], limits: ReadLimits) -> tuple[int, str]:
    """Ticks a quarter for the corpus, and a line on why; the line is empty if it is the usual grid."""
    shares, tempi = [], []
    for source in _sample(chunks, limits):
        shares.append(off_grid_share(source))
        tempi.append(next((speed for _, speed in source.tempi), 500_000) / 1e6)
        if sum(share <= OFF_GRID for share in shares) > SAMPLE // 2:
            break  # whatever the others are, the median is no greater
    if not shares or float(np.median(shares)) <= OFF_GRID:
        return TICKS_PER_QUARTER, ""
    quarter = float(np.median(tempi))
    finer = next((ticks for ticks in FINER if quarter / ticks / 2 <= MAX_ROUNDING), FINER[-1])
    share = f"{100 * float(np.median(shares)):.0f} % of the onsets lie off the grid of scores"
    return finer, f"{share}: kept as performances, on a grid of {finer} ticks a quarter ({1000 * quarter / finer:.1f} ms)"


def off_grid_share(source: Source, ticks_per_quarter: int = TICKS_PER_QUARTER) -> float:
    """Share of a file's onsets that lie off the grid, 0 to 1 (0.8 if they lie anywhere)."""
    onset = source.notes[START]
    step = source.ticks_per_quarter / ticks_per_quarter
    distance = np.abs(onset - np.rint(onset / step) * step)
    return float(np.mean(distance > max(0.1 * step, 0.75)))


def _sample(chunks: Sequence[Chunk], limits: ReadLimits) -> Iterator[Source]:
    for data in _spread(chunks, limits.max_bytes):
        try:
            yield midi.scan(data, limits)[0]
        except MelodyError:
            continue  # its verdict will report it


def _spread(chunks: Sequence[Chunk], max_bytes: int) -> Iterable[bytes]:
    """The bytes of `SAMPLE` MIDI files, from all over the corpus."""
    names = (_names(chunk, len(chunks)) for chunk in chunks)
    files = [(i, name) for i, some in enumerate(names) for name in some if not is_score(name)]
    for place in np.unique(np.linspace(0, len(files) - 1, min(SAMPLE, len(files))).astype(int)).tolist():
        number, name = files[place]
        alone = replace(chunks[number], names=(name,))
        yield from (d for d in alone.read(max_bytes) if isinstance(d, bytes))


def _names(chunk: Chunk, chunks: int) -> tuple[str, ...]:
    """Some names of a chunk, enough that all chunks together fill the sample."""
    most = -(-SAMPLE // chunks)
    return chunk.names[:: max(len(chunk.names) // most, 1)]
