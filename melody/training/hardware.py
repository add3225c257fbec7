"""Where a training runs: Lightning's trainer for the processor, one GPU or several, with or without TensorBoard."""

from __future__ import annotations

import os
from typing import Any

import pytorch_lightning as pl
import torch

from melody.errors import TrainingError
from melody.extras import need
from melody.training.paths import Paths
from melody.training.records import Plan
from melody.training.settings import TrainingSettings

_PRECISION: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed"}


def make_trainer(settings: TrainingSettings, plan: Plan, callback: pl.Callback, paths: Paths) -> pl.Trainer:
    """The trainer.

    Raises
    ------
    TrainingError
        If there are not so many devices, no such strategy, or TensorBoard is not installed.
    """
    gpus = torch.cuda.device_count()
    if gpus and settings.devices > gpus:
        raise TrainingError(f"`devices` is {settings.devices}; there are {gpus} here")
    try:
        return pl.Trainer(
            accelerator="gpu" if gpus else "cpu",
            devices=settings.devices,
            num_nodes=machines(settings.devices),
            strategy=settings.strategy,
            precision=_PRECISION[plan.precision],
            max_epochs=plan.epochs,
            callbacks=[callback],
            gradient_clip_val=settings.clip_norm,
            logger=_logger(paths) if settings.logger == "tensorboard" else False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
    except (ValueError, RuntimeError, ImportError) as error:  # Lightning's own words for settings that do not go together
        reason = str(error)[:300].replace("`", "'")
        raise TrainingError(f"Lightning refuses `strategy={settings.strategy}`: {reason}") from error


def machines(devices: int) -> int:
    """On how many machines torchrun or SLURM has started so many processes each; 1 where neither has."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return max(int(os.environ.get("WORLD_SIZE", "1")) // devices, 1)
    return int(os.environ.get("SLURM_NNODES", "1")) if "SLURM_PROCID" in os.environ else 1


def _logger(paths: Paths) -> Any:
    need("a log for TensorBoard", "tensorboard", error=TrainingError)
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(paths.tensorboard.parent, name=paths.tensorboard.name, version="")
