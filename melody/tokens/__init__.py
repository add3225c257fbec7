"""Notes as numbers: the vocabulary, what may follow what, and what else the model reads."""

from melody.tokens.vocabulary import FIELDS, Vocabulary

__all__ = ["FIELDS", "Vocabulary"]
