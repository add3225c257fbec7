"""Notes as numbers: the vocabulary, what may follow what, and what the model is told besides."""

from melody.tokens.vocabulary import FIELDS, Vocabulary

__all__ = ["FIELDS", "Vocabulary"]
