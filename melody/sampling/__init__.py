"""Temperature and the rest, `generate` and `continue_`: a model file -> pieces. Needs NumPy alone, no torch."""

from melody.sampling.model import Model, load
from melody.sampling.result import Result
from melody.sampling.settings import SamplingSettings

__all__ = ["Model", "Result", "SamplingSettings", "load"]
