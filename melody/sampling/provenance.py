"""Where music comes from, for the text event of its file: program, model, seed, settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from melody import __version__
from melody.modelfile import ModelFile
from melody.sampling.choice import SamplingSettings


def provenance(
    file: ModelFile, engine: str, settings: SamplingSettings, number: int, search: Mapping[str, int], rest: str
) -> str:
    """One line, by which the same music can be made again.

    Parameters
    ----------
    file
        The model.
    engine
        What ran it; it is named if it is not NumPy.
    settings
        Of them the temperature and what is not as usual are named.
    number
        Of the tune, from 0.
    search
        How tunes were looked for, where not one by one.
    rest
        Limits, or what else was done.
    """
    default = asdict(SamplingSettings())
    words = {k: v for k, v in asdict(settings).items() if k == "temperature" or v != default[k]}
    words |= {"engine": engine} if engine != "numpy" else {}
    words |= search
    listed = " ".join(f"{k}={v}" for k, v in words.items() if k not in ("seed", "max_notes"))
    model = f"{file.name or 'melody'} {file.fingerprint}"
    return f"melody {__version__}, model {model}, seed {settings.seed}, tune {number + 1}, {listed} {rest}"
