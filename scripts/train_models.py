"""The shipped models, from nothing: fiddle (three collections of dance tunes), a small one of it, chorales (Bach), and band.

    scripts/train_models [fiddle|fiddle-small|chorales|band]

The music of the first three is in music21's corpus. That of band is Freedoom's: put its 111 files, the d_*.mid of
https://github.com/freedoom/freedoom (musics, BSD-3-Clause), in data/band.

Each took a quarter to one and a half hours on one shared core of an EPYC. A model file says what it was trained on, for
how long, and how it measures; checkpoints/README.md has the numbers. The shapes were chosen on the validation pieces
(docs/experiments.md).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from melody import modelfile
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
    # Less than a megabyte, of which the names and hashes of the corpus are a third: `scripts/benchmark_small.py`
    "fiddle-small": TrainingSettings(
        epochs=8,
        max_minutes=240,
        learning_rate=0.004,
        batch=BatchSettings(batch_size=32),
        model=ModelSettings(hidden_size=128, num_layers=1, embedding_size=48, head_size=40, dropout=0.1),
        half=True,
        samples=0,
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
    "band": TrainingSettings(
        epochs=10,
        max_minutes=240,
        model=ModelSettings(head_size=128, dropout=0.2),
        half=True,
        precision="bf16",
    ),
}
DIGITS = {"band": 9}  # of 10 that a weight of 16 bits has: with these the wheel is below 20 MB, and the nats are the same
BROUGHT = {"band"}  # whose music is not in music21's corpus
MUSIC = {"fiddle-small": "fiddle"}  # of models whose name is not that of their corpus


def train(name: str) -> None:
    """One model, its corpus written beside it if it is not there."""
    music = MUSIC.get(name, name)
    folder = ROOT / "data" / music
    if music in BROUGHT and not folder.exists():
        sys.exit(f"{folder} is not there; put the music of {name} in it: scripts/train_models.py says which it is")
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "melody", "corpus", music, "--out", folder], check=True)
    corpus = prepare(folder, PrepareSettings(workers=0))
    out = ROOT / "checkpoints" / f"{name}.safetensors"

    def report(epoch: Epoch) -> None:
        print(f"{name}: epoch {epoch.number}/{epoch.epochs}, train {epoch.train:.3f}, valid {epoch.valid:.3f}", flush=True)

    result = fit(corpus, out, MODELS[name], on_epoch=report)
    if name in DIGITS:
        modelfile.load(out).halved(DIGITS[name]).save(out)
    print(f"{name}: {result.test:.3f} nats a note on test, n-gram {result.ngram:.3f}, unigram {result.unigram:.3f}")


def main() -> None:
    """The one that is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=list(MODELS), help="all whose music is in music21 if none is named")
    chosen = parser.parse_args().name
    for name in [chosen] if chosen else [name for name in MODELS if name not in BROUGHT]:
        train(name)


if __name__ == "__main__":
    main()
