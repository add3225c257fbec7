"""What an interrupted run left behind to be gone on with, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from melody.errors import TrainingError
from melody.tokens.vocabulary import Vocabulary
from melody.training.paths import Paths
from melody.training.records import Plan

_FACTS = ("settings", "started_from", "music")


def left_behind(paths: Paths) -> dict[str, Any]:
    """The checkpoint of a run, with its plan and its vocabulary as plain data.

    Raises
    ------
    TrainingError
        If there is none, or it is damaged.
    """
    path = paths.resume
    if not path.exists():
        there = f"; the run of {paths.model} has ended: train anew, with more `max_minutes` or `epochs`"
        instead = there if paths.model.exists() else "; train without `resume=True`"
        raise TrainingError(f"there is no interrupted run to resume at {path}{instead}")
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True)
        if missing := [name for name in _FACTS if name not in saved]:
            raise KeyError(missing[0])
        Vocabulary.from_dict(saved["vocabulary"])
        Plan.from_dict(saved["plan"])
    except Exception as error:  # torch.load raises whatever a damaged file makes it raise
        raise TrainingError(f"{path} is damaged ({type(error).__name__}); train without `resume=True`") from error
    return saved


def check_vocabulary(saved: Mapping[str, Any] | None, vocabulary: Vocabulary) -> None:
    """That a run that is gone on with, if one is, began with the same music as far as the vocabulary tells.

    Raises
    ------
    TrainingError
        If it did not.
    """
    if saved is not None and saved["vocabulary"] != vocabulary.to_dict():
        as_then = "name both as then, or train without `resume=True`"
        raise TrainingError(f"the run began with another folder, or took other parts of it; {as_then}")
