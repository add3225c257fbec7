"""The index of a model's training pieces, written beside the model file, for `melody originality`.

    python scripts/add_index.py checkpoints/fiddle.safetensors data/fiddle

For models trained before training wrote one itself, and for those that are shipped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from melody import modelfile
from melody.corpus import prepare
from melody.corpus.manifest import pieces_of
from melody.evaluation.heldout import settings_for
from melody.originality.building import build
from melody.originality.index import beside


def main() -> None:
    """Build, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path, help="with the pieces that it was trained on")
    arguments = parser.parse_args()
    file = modelfile.load(arguments.model)
    corpus = prepare(arguments.folder, settings_for(file))
    own = {piece.content: piece.split for piece in pieces_of(file.manifest)}
    here = {piece.content: piece.split for piece in pieces_of(corpus.manifest)}
    if own != here:
        lacking = len(own.keys() - here.keys())
        raise SystemExit(
            f"{arguments.folder} is not what {arguments.model} was trained on: {lacking:,} of its pieces are missing"
        )
    begun = time.perf_counter()
    index = build(corpus.vocabulary, file.manifest, corpus.rows("train"), [*corpus.rows("valid"), *corpus.rows("test")])
    out = beside(arguments.model)
    index.save(out)
    size, notes = out.stat().st_size, index.num_notes
    print(f"{out}: {len(index.names):,} pieces, {notes:,} notes, {size:,} bytes, {size / notes:.2f} a note")
    print(f"{time.perf_counter() - begun:.1f} s; {index.norm}")


if __name__ == "__main__":
    main()
