"""Models that know nothing, for laws that must hold whatever a model has learned."""

from __future__ import annotations

import torch

from melody.modelfile import ModelFile
from melody.network.network import MelodyNetwork
from melody.network.settings import ModelSettings
from melody.sampling import Model
from melody.tokens import Vocabulary

SMALL = ModelSettings(hidden_size=16, num_layers=1, embedding_size=12, head_size=12, dropout=0.0)


def untrained(vocabulary: Vocabulary, seed: int = 0, scale: float = 1.0) -> Model:
    """A model with random weights; a `scale` above 1 gives it strong opinions."""
    torch.manual_seed(seed)
    weights = {name: scale * value.numpy() for name, value in MelodyNetwork(vocabulary, SMALL).state_dict().items()}
    return Model(ModelFile(weights, vocabulary, {}, name="untrained"))
