"""Adapting a trained model: its weights carried over to other music, or a state to begin from learned."""
