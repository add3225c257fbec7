"""The outline that a piece is written from: of the corpus, or with the form that is asked for."""
