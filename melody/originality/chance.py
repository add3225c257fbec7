"""How probable a run would be if one piece were not in the corpus: the common figures of a style are nobody's.

The model is an n-gram of symbols whose probabilities are those of the next shorter context, weighed with what was counted
(a hierarchical Dirichlet prior: MacKay and Peto 1995). With a share `PLAIN` it takes a symbol whatever stood before: what
follows a common figure for the first time is not as good as impossible.

    H(s | c) = (n(c s) + a H(s | c')) / (n(c) + a),    H(s) = (n(s) + T / 1,000) / (n + T),
    P(s | c) = (1 - PLAIN) H(s | c) + PLAIN H(s),

with c' the context without its first symbol, n the counts without the pieces left out, T the number of different symbols
(as Witten and Bell 1991 have it) and `a` the `STRENGTH`. A tune of m notes and a corpus of N have m N pairs of places at
which the run may begin, so that it is expected E = m N P(run) times by chance alone, as biologists count alike stretches of
proteins (Karlin and Altschul 1990).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from melody.originality.lines import END, Symbols
from melody.originality.runs import Sorted

ORDER = 5  # symbols of the longest context
STRENGTH = 2.0
PLAIN = 0.1
LEAST = 1e-99  # given for everything below
SYMBOLS = 1_000  # that there may be


def expected(corpus: Sorted, run: Symbols, left_out: Sequence[Symbols], notes: int) -> float:
    """How many times a run is expected by chance between a tune and the corpus without some pieces.

    Parameters
    ----------
    corpus
        The symbols of all lines.
    run
        The symbols of the run.
    left_out
        Those of the lines that do not count.
    notes
        Of the tune.
    """
    others = Sorted(np.concatenate([part for line in left_out for part in (line, [END])]).astype(np.uint16))
    ends, backs = np.divmod(np.arange(len(run) * (ORDER + 1)), ORDER + 1)  # of each symbol the contexts, none first
    ends, backs = ends[backs <= ends], backs[backs <= ends]
    before, both = (
        np.maximum(corpus.counts(run, ends - backs, backs + more) - others.counts(run, ends - backs, backs + more), 0)
        for more in (0, 1)
    )
    total, different = corpus.total - others.total, corpus.different
    logarithm = np.log10(max(notes, 1)) + np.log10(max(total, 1))
    plain, probability = 1.0, 1.0
    for back, context, more in zip(backs.tolist(), before.tolist(), both.tolist()):
        if back == 0:  # the next symbol
            logarithm += np.log10((1 - PLAIN) * probability + PLAIN * plain)
            plain = probability = (more + different / SYMBOLS) / (total + different)
        else:
            probability = (more + STRENGTH * probability) / (context + STRENGTH)
    logarithm += np.log10((1 - PLAIN) * probability + PLAIN * plain)
    return float(10 ** max(logarithm, np.log10(LEAST)))
