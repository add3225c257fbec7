"""Where music comes from, in words that are kept in its file: program, model, seed and what differs from the defaults."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from melody import __version__
from melody.modelfile import ModelFile
from melody.sampling.settings import SamplingSettings


def provenance(file: ModelFile, settings: SamplingSettings, number: int, *words: str, **others: Any) -> str:
    """Where one of several tunes comes from.

    Parameters
    ----------
    file
        Of the model.
    settings
        How it was drawn.
    number
        Which of the tunes it is, from 0.
    words
        What else there is to say, such as the limits.
    others
        Other settings, by name; those that are None are left out.

    Examples
    --------
    `melody 0.1.0, model fiddle 1a2b3c4d5e6f, seed 0, tune 1, temperature=0.8 bars=8`
    """
    default = asdict(SamplingSettings())
    shown = {k: v for k, v in asdict(settings).items() if k == "temperature" or v != default[k]}
    shown |= {name: value for name, value in others.items() if value is not None}
    written = " ".join([*(f"{k}={v}" for k, v in shown.items() if k not in ("seed", "max_notes")), *words])
    name = file.name or "melody"
    return f"melody {__version__}, model {name} {file.fingerprint}, seed {settings.seed}, tune {number + 1}, {written}"
