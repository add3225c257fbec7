"""After training: the temperatures at which a model's tunes are most like the pieces that it was validated on.

Copying and inventing want different temperatures, and so do rhythm and pitch: a low one makes the commonest rhythm commoner
still, a high one of pitch wanders. So tunes are written at several of both, who plays next and how loud at that of the
rhythm, and measured beside the validation pieces: bars that return, lengths, rhythms, leaps, notes outside the key, chords.
What lies nearest is the model's own, and is what `generate` takes where nobody says otherwise; of those that are as near but
for noise it is the default, if
that is among them, or else the lowest, which is safest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from melody.limits import Limits
from melody.modelfile import ModelFile
from melody.piece import Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling.search import Search
from melody.sampling.settings import OF_DRUMS, OF_VELOCITY, TEMPERATURE
from melody.sampling.tasks.generate import new_tunes
from melody.statistics import line
from melody.statistics.tables import FORM, PART_WRITING, Count, Estimate, measured
from melody.threads import one_thread
from melody.tokens.inputs.outlines.outline import REST
from melody.tokens.inputs.outlines.storing import restored

TUNES = 100  # at each
LEAST_PIECES = 8  # to compare with
LEAST_TUNES = 20  # at each: fewer say nothing
_PROBED, _PROBED_NOTES = 8, 32  # tunes and notes of each, by which it is measured how long a note takes
NOISE = 0.1  # standard errors that are no difference
SEED = 2_000
ROWS: Mapping[str, Count] = {
    **{name: FORM[name] for name in ("bars 5-6 are bars 1-2 again", "bars that occur twice", "no bar occurs twice")},
    **{name: FORM[name] for name in ("length is a multiple of 8 bars", "commonest rhythm, share of bars")},
    "leaps": line.leaps,
    "notes outside the key": line.notes_outside_the_key,
    **{name: PART_WRITING[name] for name in ("beats that are chords", "phrases over 20 beats")},
}


class Degrees(NamedTuple):
    """Temperatures of rhythm and of pitch."""

    rhythm: float
    pitch: float

    @property
    def settings(self) -> dict[str, Any]:
        """As a model file and `SamplingSettings` name them: what is tried is what is taken."""
        return {"temperature": self.rhythm, "rhythm_temperature": self.rhythm, "pitch_temperature": self.pitch}


DEFAULT = Degrees(TEMPERATURE, TEMPERATURE)
PLANNED = Degrees(0.7, 0.6)  # where none is chosen and outlines say of most bars what parts play (docs/experiments.md)
TRIED = (DEFAULT, *(Degrees(*each) for each in ((1, 0.9), (1, 1), (0.9, 0.8), (1, 0.8), (0.9, 0.9), (0.9, 1), (1, 0.6))))


def with_temperatures(
    file: ModelFile, pieces: Sequence[Piece], *, seed: int = 0, tunes: int = TUNES, max_seconds: float = math.inf
) -> ModelFile:
    """The model with the temperatures that suit it, of those that are tried.

    Parameters
    ----------
    file
        The model.
    pieces
        Those that it was validated on; with fewer than 8 nothing is chosen, or `PLANNED`.
    seed
        Of the tunes.
    tunes
        How many at each.
    max_seconds
        After which no more are tried: what is chosen then depends on how fast the machine is. At each only as
        many are drawn as fit into half of it; where fewer than 20 would, nothing is chosen.

    Returns
    -------
    file
        Its training facts name under 'temperatures' what was chosen, and under 'temperatures_tried' how far each was from
        the pieces, in standard errors.
    """
    default, others = (PLANNED, _as_learned(file)) if _is_planned(file) else (DEFAULT, {})
    file = _stating(file, default, others) if default != DEFAULT else file
    if len(pieces) < LEAST_PIECES:
        return file
    started, wanted = time.monotonic(), measured(pieces, ROWS)
    if math.isfinite(max_seconds):
        tunes = min(tunes, _fitting(file, pieces, max_seconds / 2))
        if tunes < LEAST_TUNES:
            return file
    found: dict[Degrees, float] = {}
    tried = tuple(dict.fromkeys((default, *TRIED)))
    for number, degrees in enumerate(tried):
        if number and time.monotonic() - started > max_seconds * (number / len(tried)):
            break
        settings = SamplingSettings(**degrees.settings, **others, seed=SEED + seed, any_ending=True)
        with one_thread():
            made = [tune.piece for tune in new_tunes(Model(file), Search(tunes), Limits(), settings)]
        found[degrees] = distance(measured(made, ROWS), wanted)
    near = [degrees for degrees, far in found.items() if far < min(found.values()) + NOISE]
    best = default if default in near else min(near, key=lambda degrees: (sum(degrees), found[degrees]))
    return _stating(file, best, others, temperatures_tried=[[*degrees, round(far, 3)] for degrees, far in found.items()])


def _is_planned(file: ModelFile) -> bool:
    """Whether most bars of the parts return in its outlines, or their rhythms: those of recorded performances do not."""
    found = [restored(each) for each in file.training.get("outlines", [])]
    rhythms = [[play.rhythm for play in own if play != REST] for each in found if each for own in each.players]
    return sum(len(set(own)) for own in rhythms) < sum(map(len, rhythms)) / 2


def _as_learned(file: ModelFile) -> dict[str, Any]:
    """The temperatures of what is drawn as learned: loudness, and drums if there are any."""
    return {OF_VELOCITY: 1.0, **({OF_DRUMS: 1.0} if file.vocabulary.drums.any() else {})}


def _stating(file: ModelFile, degrees: Degrees, others: Mapping[str, Any], **facts: Any) -> ModelFile:
    """The model with those temperatures, and more facts of its training."""
    return replace(file, training={**file.training, "temperatures": {**degrees.settings, **others}, **facts})


def _fitting(file: ModelFile, pieces: Sequence[Piece], seconds: float) -> int:
    """How many tunes as long as the pieces a model writes in this time, by a few beginnings."""
    started = time.monotonic()
    settings = SamplingSettings(seed=SEED, any_ending=True, max_notes=_PROBED_NOTES)
    with one_thread():
        made = list(new_tunes(Model(file), Search(_PROBED), Limits(), settings))
    per_note = (time.monotonic() - started) / max(sum(tune.piece.num_notes for tune in made), 1)
    return int(seconds / (per_note * float(np.mean([piece.num_notes for piece in pieces]))))


def distance(found: Mapping[str, Estimate], wanted: Mapping[str, Estimate]) -> float:
    """How far measures lie from others, in standard errors of their difference, on average; what has no value is left out.

    An error counts as at least one percent: less is no difference.
    """
    far = [
        abs(found[name].value - wanted[name].value) / max(math.hypot(_error(found[name]), _error(wanted[name])), 1.0)
        for name in wanted
    ]
    known = [each for each in far if not math.isnan(each)]
    return float(np.mean(known)) if known else 0.0


def _error(estimate: Estimate) -> float:
    """The standard error by its interval of 95 %."""
    return (estimate.high - estimate.low) / (2 * 1.96)
