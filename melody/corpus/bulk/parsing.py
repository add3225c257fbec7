"""What many MIDI files hold: what `melody.midi.scan` finds out about each, for all of them together.

A file is believed to be whole by the law of conservation that `melody.midi.reading` states. Of hundreds of files at once it
is found out which can be counted by their bytes alone (`glance`); these are parsed, and what symusic found in them is taken
out of its bytes (`states`). Whatever is out of the ordinary is looked at alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from melody.corpus.bulk import states
from melody.corpus.bulk.glance import Glance
from melody.corpus.bulk.states import PackedSource, ScoreNotes, ScoresNotes
from melody.errors import MidiError
from melody.midi import ReadLimits, chunks, scan
from melody.midi.file_events import Source, check_limits
from melody.midi.reading import Metas, parser, parts_of, title_and_texts, undamaged_score
from melody.piece import Ints

SLOWEST = 2**24  # microseconds a quarter, which three bytes do not reach
LONG = 1 << 14  # bytes from which on a file is looked at alone: NumPy's calls cost nothing then beside what they do
RUN, FEW = 1 << 20, 16  # bytes of files that are looked at together; files that are too few for that
_LIMITS = ReadLimits()


def parse_many(
    contents: Sequence[bytes], limits: ReadLimits | None = None
) -> list[tuple[PackedSource | Source, list[str]] | MidiError]:
    """What `melody.midi.scan` gives for the bytes of each file, or the error that it raises, in much less time."""
    limits = limits or _LIMITS
    whole: list[PackedSource | None] = [None] * len(contents)
    for run in _runs(contents) if states.layout_is_known() else ():
        for number, source in zip(run, _whole_together([contents[number] for number in run], limits)):
            whole[number] = source
    return [(source, []) if source else _or_error(data, limits) for source, data in zip(whole, contents)]


def _or_error(data: bytes, limits: ReadLimits) -> tuple[PackedSource | Source, list[str]] | MidiError:
    try:
        return _alone(data, limits)
    except MidiError as error:
        return error


def _alone(data: bytes, limits: ReadLimits) -> tuple[PackedSource | Source, list[str]]:
    """What `melody.midi.scan` finds, but of a whole file the notes are left packed."""
    limits.check("bytes", len(data), limits.max_bytes)
    data = chunks.unwrapped(data)
    whole = _whole(data, limits) if states.layout_is_known() else None
    if whole is None:
        return scan(data, limits)
    if not _surely_within(whole, limits):
        check_limits(whole.unpacked(), limits)
    return whole, []


def _whole(data: bytes, limits: ReadLimits) -> PackedSource | None:
    """What symusic reads, if that is all there is; None if anything in the file is amiss."""
    found = undamaged_score(data, limits)
    if found is None:
        return None
    score, metas = found
    try:
        return _source(states.of_state(score.__getstate__()), score.end(), metas)
    except ValueError:  # a name that is not in UTF-8
        return None


def _runs(contents: Sequence[bytes]) -> Iterator[list[int]]:
    """The numbers of short files, as many at a time as make `RUN` bytes."""
    run: list[int] = []
    size = 0
    for number, data in enumerate(contents):
        if len(data) < LONG:
            run.append(number)
            size += len(data)
        if size > RUN or (number == len(contents) - 1 and len(run) >= FEW):
            yield run
            run, size = [], 0


def _whole_together(contents: Sequence[bytes], limits: ReadLimits) -> list[PackedSource | None]:
    """Like `_whole`, but None as well for what can only be seen by looking at a file alone."""
    glance = Glance.at(contents)
    pickled: dict[int, bytes] = {}
    ends: list[int] = []
    parse = parser()
    for number in np.flatnonzero(glance.plain & (glance.size <= limits.max_bytes)).tolist():
        try:
            score = parse(contents[number])
        except Exception:  # as in `_whole`
            continue
        pickled[number] = score.__getstate__()
        ends.append(score.end())
    numbers = np.array(list(pickled), np.int64)
    scores = states.of_states(list(pickled.values()), limits.max_changes)
    missing = glance.messages[numbers] - 3 * (2 * scores.notes + scores.others)
    if missing.any():
        missing[missing == 2 * glance.programs[numbers]] = 0
    within = _are_surely_within(scores, np.array(ends), limits)
    heads = glance.heads()
    sources: list[PackedSource | None] = [None] * len(contents)
    for number, found, end, lost, fine in zip(pickled, scores.each, ends, missing.tolist(), within.tolist()):
        if found is not None and not lost:
            source = _source(found, end, heads.get(number, []))
            sources[number] = source if fine or _surely_within(source, limits) else None
    return sources


def _are_surely_within(scores: ScoresNotes, end: Ints, limits: ReadLimits) -> NDArray[np.bool_]:
    """Like `_surely_within` for the files that end at these ticks, whatever their tempi."""
    quarters = end / scores.ticks_per_quarter
    most = min(limits.max_quarters, limits.max_hours * 3.6e9 / SLOWEST)
    return (scores.notes > 0) & (scores.notes <= limits.max_notes) & (scores.parts <= limits.max_tracks) & (quarters <= most)


def _surely_within(source: PackedSource, limits: ReadLimits) -> bool:
    """Whether no limit is passed, by a glance."""
    quarters = source.end / source.ticks_per_quarter
    slowest = max([500_000, *[tempo for _, tempo in source.tempi]])
    return (
        0 < source.num_notes <= limits.max_notes
        and len(source.parts) <= limits.max_tracks
        and quarters <= limits.max_quarters
        and quarters * slowest <= limits.max_hours * 3.6e9
    )


def _source(found: ScoreNotes, end: int, metas: Metas) -> PackedSource:
    """Of what was found, the tick where it ends, and the names and texts of the first track."""
    title, texts = title_and_texts(metas)
    parts = parts_of(found.players)
    return PackedSource(
        found.ticks_per_quarter, end, found.records, found.sizes, parts,
        found.time_signatures, found.tempi, found.keys, title, texts, found.sustain(parts),
    )  # fmt: skip
