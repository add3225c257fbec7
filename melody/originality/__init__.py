"""Whether a tune has more of a model's training music in it than music of its kind has by itself."""
