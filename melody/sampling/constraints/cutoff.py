"""What becomes of the probability of times that a given number of bars forbids.

A model that does not see the end coming expects the music to go on over the last bar line. If all that is simply left out,
what it expects at the same tick takes its place, and notes pile up on the last onset: a model of piano music in which one
note in three comes with the one before would write eight or twelve there. So what lies beyond the end counts for what is
later than the last event and still may come, the end among it: a note comes at the same tick as often as anywhere else.
"""

from __future__ import annotations

import numpy as np

from melody.network import Floats
from melody.tokens.grammar import Mask


def going_on(logits: Floats, legal: Mask, past_end: Mask) -> Floats:
    """Logits of the time with those beyond the end added to those of what is later and may still come.

    Parameters
    ----------
    logits
        Of the time of the next event, (streams, times); the first is that of END, the second that of the same tick.
    legal
        Which times may come, (streams, times).
    past_end
        Which times the number of bars forbids, (streams, times), see `melody.tokens.grammar.Grammar.past_end`.
    """
    later = legal.copy()
    later[:, 1] = False
    rows = np.flatnonzero(past_end.any(axis=1) & later.any(axis=1) & legal[:, 1])
    if not len(rows):
        return logits
    own = logits[rows].astype(np.float64)
    within = np.logaddexp.reduce(np.where(later[rows], own, -np.inf), axis=1)
    both = np.logaddexp.reduce(np.where(later[rows] | past_end[rows], own, -np.inf), axis=1)
    moved = logits.copy()
    moved[rows] += (np.where(later[rows], (both - within)[:, None], 0.0)).astype(logits.dtype)
    return moved
