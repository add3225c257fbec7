"""Which grid a corpus is on, by measurement.

Scores lie on 24 ticks a quarter but for rounding, for a constant and for what a sequencer scatters; the onsets of a
performance lie anywhere (`melody.corpus.read.beat_phase`). If more than half of a sample of the files are performances, the
corpus gets the coarsest of `FINER` whose rounding, at its median tempo, moves no onset by more than `MAX_ROUNDING` seconds.
That is below the 10 ms or so from which on listeners notice (Friberg and Sundberg 1995).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from melody import midi
from melody.corpus.discover.listing import Chunk, is_score
from melody.corpus.read.beat_phase import is_played
from melody.corpus.settings import PrepareSettings
from melody.errors import MelodyError
from melody.midi import ReadLimits
from melody.midi.file_events import Source
from melody.piece import TICKS_PER_QUARTER
from melody.text import counted

SAMPLE = 32  # files
FINER = (48, 96, 192, 480, 960)
MAX_ROUNDING = 0.003  # seconds


def for_corpus(chunks: Sequence[Chunk], settings: PrepareSettings) -> tuple[int, str]:
    """Ticks a quarter for the corpus, and a line on why; the line is empty if the grid is the usual one or was asked for."""
    if settings.ticks_per_quarter != "auto":
        return settings.ticks_per_quarter, ""
    return chosen(chunks, settings.limits)


def chosen(chunks: Sequence[Chunk], limits: ReadLimits) -> tuple[int, str]:
    """Ticks a quarter for the corpus, and a line on why; the line is empty if it is the usual grid."""
    played, scores, tempi = 0, 0, []
    for source in _sample(chunks, limits):
        played, scores = (played + 1, scores) if is_played(source) else (played, scores + 1)
        tempi.append(next((speed for _, speed in source.tempi), 500_000) / 1e6)
        if scores > SAMPLE // 2:
            break  # whatever the others are
    if played <= scores:
        return TICKS_PER_QUARTER, ""
    quarter = float(np.median(tempi))
    finer = next((ticks for ticks in FINER if quarter / ticks / 2 <= MAX_ROUNDING), FINER[-1])
    share = f"{played:,} of {counted(played + scores, 'file')} looked at are performances"
    return finer, f"{share}: kept as played, on a grid of {finer} ticks a quarter ({1000 * quarter / finer:.1f} ms)"


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
