"""A folder of music -> a verdict for every file, a split without leaks, and the encoded pieces: see `prepare`."""

from melody.corpus.explain import explain
from melody.corpus.prepare import prepare
from melody.corpus.settings import PrepareSettings
from melody.corpus.store.reader import Corpus
from melody.corpus.validate.progress import Progress
from melody.corpus.verdict import SPLITS, Split, Verdict

__all__ = ["SPLITS", "Corpus", "PrepareSettings", "Progress", "Split", "Verdict", "explain", "prepare"]
