"""`Source`: a model file with its decoder, which is what the tasks write music with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from melody import modelfile
from melody.errors import SamplingError
from melody.network import AnyEngine, Engine
from melody.network.around import recognised
from melody.network.bidirectional import Joining
from melody.network.engine import Begun
from melody.network.memory import Memory, Remembering
from melody.network.settings import settings_of
from melody.sampling.constraints.by_outline.hands_full import HandsFull
from melody.sampling.constraints.constraint import Constraint
from melody.sampling.constraints.counterpoint import Counterpoint
from melody.sampling.constraints.few_changes import FewChanges
from melody.sampling.decoder import Decoder
from melody.sampling.outlines.corpus_outlines import CorpusOutlines
from melody.sampling.prior import CorpusPrior
from melody.sampling.quality import Shares
from melody.sampling.settings import SamplingSettings
from melody.statistics.habits import Habits
from melody.statistics.standstill import Patience
from melody.threads import one_thread
from melody.tokens.usage import FIRST_PART
from melody.tokens.vocabulary import Rows, Vocabulary

EngineName = Literal["numpy", "onnx", "int8"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
LONGEST = 20_000  # events of a tune that a model never ends
_MOST_AT_ONCE = 128  # notes of a part
_MOST_IN_BAR = 1_000  # events, on average, before a model is taken for one that never comes to the next bar


class Source:
    """A model file with its decoder.

    Parameters
    ----------
    file
        The model file.
    engine
        What runs it: 'numpy'; or ONNX Runtime, which has to be installed: 'onnx', or 'int8' with weights of 8 bits.
    memory
        Of past states, see `melody.network.memory`; None for none.
    """

    def __init__(self, file: modelfile.ModelFile, engine: EngineName = "numpy", memory: Memory | None = None) -> None:
        self.file = file
        self.vocabulary: Vocabulary = file.vocabulary
        self.runs_by: EngineName = engine
        self.memory = memory
        self.prior = CorpusPrior.of(file.vocabulary, file.training)
        self.habits = Habits.from_dict(file.training.get("habits"))
        self.outlines = CorpusOutlines.of(file.training, file.vocabulary.drums.tolist())
        joining = Joining(file.vocabulary, file.weights) if Joining.is_in(file.weights) else None
        self.decoder = Decoder(file.vocabulary, _engine(file, engine, memory), self.prior, joining)

    @property
    def running(self) -> dict[str, str | None]:
        """What computes and what it remembers, as a description of music names them; None for what is usual."""
        engine = self.runs_by if self.runs_by != "numpy" else None
        return {"engine": engine, "memory": None if self.memory is None else str(self.memory)}

    @property
    def longest_piece(self) -> int:
        """Events of the longest piece in training, at most 20,000; 5,000 if the model file does not say."""
        return min(int(self.file.training.get("longest_piece", 0)) or 5_000, LONGEST)

    @property
    def layers(self) -> str:
        """The recurrent layers in words, as 'LSTM 2 x 256'."""
        return settings_of(self.file.settings).layers

    def most_events(self, settings: SamplingSettings, bars: int | None) -> int:
        """After how many events a tune is ended."""
        return settings.max_notes or (self.longest_piece if bars is None else LONGEST + _MOST_IN_BAR * bars)

    def rules(self, settings: SamplingSettings) -> list[Constraint]:
        """What new music keeps to as its corpus does: changes of metre, tempo, key; notes at once; parallels, unless let."""
        found: list[Constraint] = []
        if self.most_changes:
            found.append(FewChanges(self.most_changes))
        if self.notes_at_once:
            found.append(HandsFull(self.notes_at_once))
        if self.habits.avoids_parallels and not settings.parallels:
            found.append(Counterpoint(self.vocabulary))
        return found

    @cached_property
    def fault_shares(self) -> Shares:
        """Which share of the corpus has what would be wrong with a tune (`melody.sampling.quality`)."""
        return Shares.from_stored(self.file.training.get("fault_shares"))

    def allowed_faults(self, settings: SamplingSettings, number: int) -> frozenset[str]:
        """What is not asked of the tune of that number; the same for each of its tries."""
        return self.fault_shares.allowed(np.random.default_rng([settings.seed, number, 0, 3]))

    @cached_property
    def patience(self) -> Patience:
        """For how many bars pieces of the corpus stand still."""
        return Patience.from_stored(self.file.training.get("standstill"))

    @property
    def most_changes(self) -> list[int]:
        """How many changes of metre, tempo and key a piece has, as a rule at most, (3,); empty if nothing is known."""
        known = self.file.training.get("most_changes")
        legal = isinstance(known, list) and len(known) == FIRST_PART and all(type(one) is int and one >= 0 for one in known)
        return list(known) if legal and isinstance(known, list) else []

    @property
    def notes_at_once(self) -> list[int]:
        """How many notes each part has at once, as a rule at most; empty where durations say it, or nothing is known."""
        known = self.file.training.get("part_notes_at_once")
        if not isinstance(known, list) or len(known) != len(self.vocabulary.parts) or all(self.vocabulary.implied_duration):
            return []
        return list(known) if all(type(one) is int and 0 < one <= _MOST_AT_ONCE for one in known) else []

    @one_thread()
    def nats(self, rows: Sequence[Rows]) -> NDArray[np.float64]:
        """Negative log likelihood of sequences of events, all equally long, (sequences,)."""
        return np.asarray(self.decoder.score(rows).sum(axis=1))


def _engine(file: modelfile.ModelFile, name: EngineName, memory: Memory | None) -> AnyEngine:
    engine: AnyEngine
    if name == "numpy":
        engine = Engine(file.vocabulary, file.weights)
    elif name not in ENGINES:
        raise SamplingError(f"there is no engine '{name}'; take one of {', '.join(ENGINES)}")
    else:
        from melody import export

        engine = export.engine(file, name)
    engine = Begun(engine, file.initial) if file.initial else engine
    return engine if memory is None else Remembering(engine, memory, recognised(file.weights)[0].sizes)
