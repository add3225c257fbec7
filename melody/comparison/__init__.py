"""Kinds of networks side by side on somebody's own music: equal size, equal time, a learning rate found for each."""
