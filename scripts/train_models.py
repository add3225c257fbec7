"""The shipped models, from nothing: fiddle (three collections of dance tunes) and chorales (Bach, four parts).

    scripts/train_models [fiddle|chorales]

Each took a quarter to one and a half hours on one shared core of an EPYC. A model file says what it was trained on, for
how long, and how it measures; checkpoints/README.md has the numbers. The shapes were chosen on the validation pieces
(docs/experiments.md).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from melody.corpus import PrepareSettings, prepare
from melody.dataset import BatchSettings
from melody.network.settings import ModelSettings
from melody.training.records import Epoch
from melody.training.run import fit
from melody.training.settings import TrainingSettings

ROOT = Path(__file__).parents[1]
MODELS = {
    "fiddle": TrainingSettings(
        epochs=32,
        max_minutes=240,
        learning_rate=0.003,
        weight_decay=0.026,
        batch=BatchSettings(batch_size=64),
        model=ModelSettings(head_size=128, dropout=0.28, weight_dropout=0.12, feature_dropout=0.04, head_dropout=0.08),
        half=True,
        precision="32",
    ),
    "chorales": TrainingSettings(
        epochs=76,
        max_minutes=240,
        weight_decay=0.05,
        batch=BatchSettings(match_dropout=0.35),
        model=ModelSettings(
            head_size=192, dropout=0.4, weight_dropout=0.3, feature_dropout=0.3, head_dropout=0.3, relations=True
        ),
        half=True,
        precision="32",
    ),
}


def train(name: str) -> None:
    """One model, its corpus written beside it if it is not there."""
    folder = ROOT / "data" / name
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "melody", "corpus", name, "--out", folder], check=True)
    corpus = prepare(folder, PrepareSettings(workers=0))
    out = ROOT / "checkpoints" / f"{name}.safetensors"

    def report(epoch: Epoch) -> None:
        print(f"{name}: epoch {epoch.number}/{epoch.epochs}, train {epoch.train:.3f}, valid {epoch.valid:.3f}", flush=True)

    result = fit(corpus, out, MODELS[name], on_epoch=report)
    print(f"{name}: {result.test:.3f} nats a note on test, n-gram {result.ngram:.3f}, unigram {result.unigram:.3f}")


def main() -> None:
    """The one that is named, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=list(MODELS), help="both if none is named")
    chosen = parser.parse_args().name
    for name in [chosen] if chosen else MODELS:
        train(name)


if __name__ == "__main__":
    main()
