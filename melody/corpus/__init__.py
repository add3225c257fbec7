"""A folder of music -> a verdict for every file, a split without leaks, and the encoded pieces: see `prepare`.

What a name stands for is imported when it is first asked for: who reads a model's manifest needs no readers of files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from melody.corpus.explaining import explain
    from melody.corpus.preparing import prepare
    from melody.corpus.settings import PrepareSettings
    from melody.corpus.store.reader import Corpus
    from melody.corpus.validate.progress import Progress
    from melody.corpus.verdict import SPLITS, Split, Verdict

__all__ = ["SPLITS", "Corpus", "PrepareSettings", "Progress", "Split", "Verdict", "explain", "prepare"]

_HOMES = {
    "explain": "explaining",
    "prepare": "preparing",
    "PrepareSettings": "settings",
    "Corpus": "store.reader",
    "Progress": "validate.progress",
    "SPLITS": "verdict",
    "Split": "verdict",
    "Verdict": "verdict",
}


def __getattr__(name: str) -> Any:
    """One of `__all__`."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
