"""The Python interface as somebody types it: names, values, mistakes, and the same notes as on the command line."""

from __future__ import annotations

import inspect
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from music import folk_tune
from typer.main import get_command
from untrained import untrained

import melody
from melody import midi
from melody.arguments import checked, keywords
from melody.cli import app, main
from melody.errors import ArgumentError, MelodyError, SamplingError, VocabularyError
from melody.limits import Limits
from melody.piece import Piece
from melody.sampling import Model, SamplingSettings
from melody.sampling import keywords as kinds
from melody.sampling.tasks.infill import VarySettings
from melody.signatures import Key
from melody.tokens import Vocabulary
from melody.training.settings import TrainingSettings

METHODS = ("generate", "generate_many", "tunes", "continue_", "continue_many", "vary", "vary_many", "harmonize")
METHODS += ("harmonize_many", "stream")


@pytest.fixture(scope="module")
def model() -> Model:
    return melody.load("fiddle")


@pytest.fixture(scope="module")
def prompt() -> Piece:
    return folk_tune(300)


# Names


def test_help_shows_every_keyword_with_its_type_its_default_and_what_it_is() -> None:
    shown = inspect.signature(Model.generate).parameters
    assert str(shown["temperature"]) == "temperature: float | str | None = None"
    assert str(shown["range"]).startswith("range: str | tuple[int | str, int | str] | None = None")
    assert shown["seed"].default is None and shown["end_on_tonic"].default is False
    for method in METHODS:
        function = getattr(Model, method)
        text = inspect.getdoc(function) or ""
        section = text.partition("Parameters\n----------\n")[2].partition("\nRaises\n")[0]
        explained = {name for line in section.splitlines() if not line.startswith(" ") for name in line.split(", ")}
        taken = [name for name in inspect.signature(function).parameters if name not in ("self",)]
        assert set(taken) == explained, method
        assert text.count("Parameters\n") == 1 and text.count("Raises\n") == 1
    assert inspect.signature(Model.harmonize).parameters["temperature"].default == 0.6


def _options(command: str) -> dict[str, Any]:
    """The options of a command by name, with their defaults."""
    main(["--help"])  # loads all commands
    found = get_command(app).commands[command].params  # type: ignore[attr-defined]
    return {
        option.opts[0].lstrip("-").replace("-", "_"): option.default
        for option in found
        if option.param_type_name == "option"
    }


FILES = {"count", "out", "wav", "png", "html", "engine", "memory", "force", "original"}  # not of methods


@pytest.mark.parametrize(
    ("command", "method", "others"),
    [
        ("generate", Model.generate, set()),
        ("continue", Model.continue_, {"notes", "prompt_bars"}),
        ("vary", Model.vary, set()),
        ("harmonize", Model.harmonize, set()),
    ],
)
def test_methods_take_what_their_commands_take(command: str, method: Any, others: set[str]) -> None:
    options = set(_options(command)) - FILES - others - {"help"}
    taken = set(inspect.signature(method).parameters)
    assert options <= taken
    assert taken - options <= {"self", "prompt", "piece", "melody", "limits", "settings", "max_notes"}


def test_train_takes_what_its_command_takes_with_the_same_defaults() -> None:
    options = _options("train")
    shown = inspect.signature(melody.train).parameters
    renamed = {"from": "from_"}
    taken = {renamed.get(name, name) for name in options} - {"help", "plan", "settings"}
    assert taken <= set(shown)
    assert set(shown) - taken == {"folder", "minutes", "on_epoch", "on_alarm"}
    for name, default in options.items():
        name = renamed.get(name, name)
        if name in taken and name not in ("max_minutes", "out"):
            assert shown[name].default == default, name
    assert shown["minutes"].default == options["max_minutes"] == TrainingSettings().max_minutes
    assert all(
        f"\n{name}" in (inspect.getdoc(melody.train) or "") or f", {name}" in (melody.train.__doc__ or "") for name in shown
    )


def test_the_kinds_of_keywords_are_those_of_settings_and_limits() -> None:
    assert set(kinds.NewTune.__annotations__) == {
        *kinds.Formed.__annotations__,
        *kinds.Choosing.__annotations__,
        *kinds.Ending.__annotations__,
        *kinds.Keeping.__annotations__,
    }
    settings = set(SamplingSettings.__dataclass_fields__)
    known = {*kinds.Formed.__annotations__, *kinds.Choosing.__annotations__, *kinds.Ending.__annotations__}
    assert settings == known - {"best_of", "beam"}
    limits = {*kinds.Keeping.__annotations__, "bars"}
    assert limits == set(Limits.__dataclass_fields__)
    how = inspect.signature(Model.vary).parameters
    assert (how["candidates"].default, how["rounds"].default) == (VarySettings().candidates, VarySettings().rounds)


# Values


def test_a_model_is_found_by_its_name_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tune = melody.load("fiddle").generate(seed=7, temperature=0.9, key="Dm", bars=16)
    assert tune.num_bars in (16, 17) and tune.keys[0].name == "Dm"
    with pytest.raises(MelodyError, match="no model 'fidle'; did you mean fiddle"):
        melody.load("fidle")


def test_python_and_the_command_line_write_the_same_notes(
    model: Model, prompt: Piece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prompt.write("prompt.mid")
    name, drawn = "fiddle", ["--seed", "7", "--temperature", "0.9"]
    how: dict[str, Any] = {"seed": 7, "temperature": 0.9}
    limits = ["--key", "D", "--range", "D4:B5", "--max-leap", "9", "--density", "8"]
    keeping: dict[str, Any] = {"key": "D", "range": ("D4", "B5"), "max_leap": 9, "density": "8"}
    made = {
        "generate": (
            ["generate", name, *drawn, *limits, "--bars", "2", "--any-ending"],
            model.generate(bars=2, any_ending=True, **how, **keeping),
        ),
        "continue": (
            ["continue", name, "prompt.mid", *drawn, "--bars", "4"],
            model.continue_("prompt.mid", bars="4", **how),
        ),
        "vary": (
            ["vary", name, "prompt.mid", *drawn, "--bars", "2-3", "--candidates", "4"],
            model.vary(prompt, "2-3", candidates=4, **how),
        ),
    }
    for command, (words, tune) in made.items():
        assert main([*words, "--out", f"{command}.mid"]) == 0
        written = midi.read(f"{command}.mid")
        assert [written.pitch.tolist(), written.onset.tolist()] == [tune.pitch.tolist(), tune.onset.tolist()], command


def test_harmonize_and_its_command_write_the_same_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Piece(np.arange(8) * 24, [24] * 8, [67, 69, 71, 72, 74, 72, 71, 67], keys=(Key(0, 1, "major"),)).write("hymn.mid")
    tune = melody.load("chorales").harmonize("hymn.mid", key=Key(0, 1, "major"), seed=3, candidates=8)
    assert (
        main(["harmonize", "chorales", "hymn.mid", "--key", "G", "--seed", "3", "--candidates", "8", "--out", "x.mid"]) == 0
    )
    assert midi.read("x.mid").pitch.tolist() == tune.pitch.tolist()


ALIKE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"range": "C4:C6"}, {"range": ("C4", "C6")}),
    ({"range": "C4:C6"}, {"range": [60, np.int64(84)]}),
    ({"key": "Dm"}, {"key": Key(0, -1, "minor")}),
    ({"scale": "D,E,F#,A"}, {"scale": ("D", "E", "F#", "A")}),
    ({"grid": "1/8,1/8t"}, {"grid": (Fraction(1, 8), "1/8t")}),
    ({"grid": "1/8t"}, {"grid": Fraction(1, 12)}),
    ({"metre": "4/4"}, {"metre": (4, 4)}),
    ({"tempo": "96"}, {"tempo": 96}),
    ({"tempo": "96.5"}, {"tempo": np.float64(96.5)}),
    ({"bars": "2"}, {"bars": 2}),
    ({"velocity": "40:100"}, {"velocity": (40, 100)}),
    ({"instruments": "violin,drums"}, {"instruments": ["violin", "drums"]}),
    ({"instruments": "40"}, {"instruments": 40}),
    ({"chords": "D G | A"}, {"chords": ("D G", "A")}),
    ({"chords": "D A"}, {"chords": ["D", "A"]}),
    ({"max_leap": "9", "max_polyphony": "1", "density": "8"}, {"max_leap": 9, "max_polyphony": 1, "density": 8}),
    ({"scale": "D dorian", "end_on_tonic": True}, {"scale": "D dorian", "end_on_tonic": True, "bars": None}),
]


@pytest.mark.parametrize(("text", "value"), ALIKE, ids=lambda asked: str(asked)[:40])
def test_texts_and_values_mean_the_same(text: dict[str, Any], value: dict[str, Any]) -> None:
    def limits(asked: dict[str, Any]) -> Limits:
        return kinds.limits_of(asked, asked.get("bars"), None)

    assert limits(text) == limits(value) != Limits()


def test_settings_and_limits_as_objects_are_taken_and_keywords_change_them(model: Model) -> None:
    settings, limits = (
        SamplingSettings(seed=5, temperature=0.7, any_ending=True),
        Limits.parse(key="D", bars=2, velocity="1:100"),
    )
    whole = model.generate(settings=settings, limits=limits)
    assert whole == model.generate(seed=5, temperature=0.7, any_ending=True, key="D", bars=2, velocity=(1, 100))
    other = model.generate(settings=settings, limits=limits, seed=6, key="G", bars=3)
    assert other == model.generate(seed=6, temperature=0.7, any_ending=True, key="G", bars=3, velocity=(1, 100)) != whole
    dorian = kinds.limits_of({"scale": "dorian"}, None, Limits.parse(key="D"))
    assert dorian.tonic == 2 and dorian.scale is not None


def test_music_may_be_a_piece_or_a_file_of_any_kind(model: Model, prompt: Piece, tmp_path: Path) -> None:
    path = tmp_path / "tune.mid"
    prompt.write(path)
    made = [model.continue_(music, bars=2, seed=1).pitch.tolist() for music in (prompt, path, str(path))]
    assert made[0] == made[1] == made[2]
    abc = tmp_path / "tune.abc"
    abc.write_text("X:1\nT:Scale\nM:4/4\nL:1/4\nK:D\nDEFG|ABcd|\n")
    for read in (melody.read, Piece.read):
        assert read(abc).pitch.tolist() == [62, 64, 66, 67, 69, 71, 73, 74] and read(str(path)).num_notes == prompt.num_notes
    assert model.continue_(abc, bars=2, seed=1).num_bars == 4


def test_a_part_of_a_song_is_gone_on_with(model: Model, prompt: Piece) -> None:
    from dataclasses import replace

    from melody.piece import Part

    columns = {name: np.concatenate([getattr(prompt, name)] * 2) for name in ("onset", "duration", "velocity")}
    song = replace(
        prompt,
        **columns,
        pitch=np.concatenate([prompt.pitch, np.full(prompt.num_notes, 40)]),
        part=np.repeat([0, 1], prompt.num_notes),
        parts=(Part(40, name="Fiddle"), Part(32, name="Bass")),
    )
    alone = model.continue_(prompt, bars=2, seed=1)
    for part in ("Fiddle", 1, "1", "melodic"):
        assert model.continue_(song, bars=2, seed=1, part=part).pitch.tolist() == alone.pitch.tolist()
    with pytest.raises(SamplingError, match="part"):
        model.continue_(song, bars=2, part="Flute")
    with pytest.raises(VocabularyError, match=r"parts.*; choose one of them: part 1 or 2, melodic, highest, or a name"):
        model.continue_(song, bars=2)


def test_a_stream_takes_keywords(model: Model) -> None:
    notes = [
        note.pitch for note, _ in zip(model.stream(seed=3, endless=True, scale=("D", "E", "A"), range=(62, 80)), range(30))
    ]
    assert {pitch % 12 for pitch in notes} <= {2, 4, 9} and min(notes) >= 62 and max(notes) <= 80
    free = model.generate(seed=3, any_ending=True)
    assert sorted(n.pitch for n in model.stream(seed=3)) == sorted(free.pitch.tolist())


# Seeds


@pytest.mark.usefixtures("seeds_are_drawn")
def test_without_a_seed_each_tune_is_another_and_says_its_seed(prompt: Piece) -> None:
    small = untrained(Vocabulary.build([prompt]))
    short: dict[str, Any] = {"any_ending": True, "max_notes": 12}
    tunes = [small.tunes(**short)[0] for _ in range(6)]
    assert len({tune.piece.pitch.tobytes() for tune in tunes}) > 4 and len({tune.seed for tune in tunes}) > 4
    for tune in tunes:
        assert f"seed {tune.seed}" in " ".join(tune.piece.texts)
        assert small.generate(seed=tune.seed, **short) == tune.piece
    bass = prompt.bars(1, 4)
    for make in (lambda: small.continue_(bass, max_notes=12), lambda: small.vary(bass, (2, 3), candidates=2)):
        assert len({make().pitch.tobytes() for _ in range(4)}) > 1
    streams = [[note.pitch for note, _ in zip(small.stream(endless=True), range(12))] for _ in range(4)]
    assert len(set(map(tuple, streams))) > 1
    assert len({small.generate(temperature=0, max_notes=12).pitch.tobytes() for _ in range(3)}) == 1


@pytest.mark.usefixtures("seeds_are_drawn")
def test_seeds_are_short_and_differ() -> None:
    drawn = {kinds.new_seed() for _ in range(10)}
    assert len(drawn) > 5 and all(0 <= seed < 1_000_000 for seed in drawn)


# Mistakes


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("generate", {"tempratur": 1}, "takes no 'tempratur'; did you mean temperature"),
    ("generate", {"max-leap": 3}, "did you mean max_leap"),
    ("generate", {"xyzzy": 1}, "it takes .*bars.*temperature.*chords"),
    ("generate", {"temperature": "hot"}, "temperature is 'hot'; it must be a number"),
    ("generate", {"temperature": -1}, "must be from 0"),
    ("generate", {"temperature": float("nan")}, "must be from 0"),
    ("generate", {"temperature": True}, "must be a number"),
    ("generate", {"temperature": [1]}, "must be a number"),
    ("generate", {"key": "H"}, "'H' is no key; write one as"),
    ("generate", {"key": 5}, "'5' is no key"),
    ("generate", {"key": {"a": 1}}, "is no key; write"),
    ("generate", {"range": 60}, "write two ends"),
    ("generate", {"range": ("C4",)}, "write two ends"),
    ("generate", {"range": (84, 60)}, "ends below its beginning"),
    ("generate", {"range": (None, None)}, "is no pitch"),
    ("generate", {"metre": (4, 4, 4)}, "is no metre"),
    ("generate", {"tempo": "fast"}, "tempo is 'fast'"),
    ("generate", {"bars": 0}, "ask for 1 to"),
    ("generate", {"bars": 1.5}, "must be a whole number"),
    ("generate", {"bars": True}, "must be a whole number"),
    ("generate", {"bars": 10**5000}, "must be a whole number"),
    ("generate", {"max_leap": 10**5000}, "must be a whole number"),
    ("generate", {"seed": -1}, "must be 0 or more"),
    ("generate", {"seed": 1.5}, "must be a whole number"),
    ("generate", {"any_ending": "no"}, "must be True or False"),
    ("generate", {"end_on_tonic": "yes"}, "must be True or False"),
    ("generate", {"best_of": "many"}, "must be a whole number"),
    ("generate", {"settings": {"seed": 1}}, "must be SamplingSettings"),
    ("generate", {"limits": "key=D"}, "must be Limits"),
    ("generate", {"instruments": ["kazoo"]}, "is no instrument"),
    ("generate", {"chords": ["Z"]}, "is no chord"),
    ("generate", {"scale": []}, "holds no note"),
    ("generate_many", {}, "missing a required argument: 'count'"),
    ("generate_many", {"count": 0}, "ask for 1 to"),
    ("tunes", {"count": "x"}, "must be a whole number"),
    ("continue_", {"prompt": 5}, "the prompt is 5; it must be a path"),
    ("continue_", {"prompt": "nowhere.mid"}, "nowhere.mid"),
    ("vary", {"piece": "nowhere.mid", "bars": "all"}, "write the first and the last bar"),
    ("vary", {"piece": "nowhere.mid", "bars": (1, 2, 3)}, "write the first and the last bar"),
    ("vary", {"piece": "nowhere.mid"}, "missing a required argument: 'bars'"),
    ("harmonize", {"melody": "nowhere.mid", "parallels": 1}, "must be True or False"),
    ("harmonize", {"melody": "nowhere.mid", "candidates": None}, "ask for 1 to|nowhere"),
    ("stream", {"endless": 1}, "must be True or False"),
    ("stream", {"best_of": 4}, "takes no 'best_of'"),
]


@pytest.mark.parametrize(
    ("method", "asked", "told"), WRONG, ids=lambda value: str(value)[:40] if not isinstance(value, dict) else ""
)
def test_every_mistake_says_what_is_legal(model: Model, method: str, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(MelodyError, match=told) as caught:
        getattr(model, method)(**asked)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    if "takes no" in told or "required" in told:
        assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"max_minuts": 1}, "takes no 'max_minuts'; did you mean max_minutes"),
        ({"minuts": 1}, "did you mean minutes"),
        ({"minutes": "ten"}, "must be a number"),
        ({"minutes": 0}, "must be above 0"),
        ({"precision": "16"}, "must be one of auto, 32, bf16"),
        ({"from_": "fidle"}, "did you mean fiddle"),
        ({"from_": 5}, "must be a model"),
        ({"out": 5}, "out is 5; it must be a path"),
        ({"part": ""}, "the part is empty"),
        ({"batch_size": 0}, "at least 1"),
        ({"weight_decay": -1}, "`weight_decay` is -1; it must be 0 or more"),
    ],
    ids=str,
)
def test_every_mistake_of_training_says_what_is_legal(tmp_path: Path, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(MelodyError, match=told):
        melody.train(tmp_path, **asked)
    with pytest.raises(ArgumentError, match="too many positional arguments"):
        melody.train(tmp_path, "model.safetensors")  # type: ignore[misc]
    with pytest.raises(ArgumentError, match="folder is None"):
        melody.train(None)  # type: ignore[arg-type]


def test_training_replaces_no_model_unless_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what stands beside it; and Python's words name Python's keywords."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "songs").mkdir()
    for name in ("mine.safetensors", "mine.csv"):
        (tmp_path / name).write_text("precious")
        with pytest.raises(
            MelodyError, match=r"mine.* is there already; name another file, or replace it with `force=True`"
        ):
            melody.train("songs", out="mine.safetensors")
        assert (tmp_path / name).read_text() == "precious"
        (tmp_path / name).unlink()
    with pytest.raises(MelodyError, match="no interrupted run to resume"):
        melody.train(_songs(tmp_path / "songs"), out="mine.safetensors", resume=True)
    (tmp_path / "mine.safetensors").write_text("precious")
    melody.train("songs", out="mine.safetensors", force=True, epochs=1, hidden_size=8, layers=1, samples=0)
    assert melody.load("mine.safetensors").file.training["result"]["epochs"] == 1


def _songs(folder: Path) -> Path:
    for number in range(12):
        folk_tune(number).write(folder / f"{number}.mid")
    return folder


def test_other_doors_refuse_in_one_line_too() -> None:
    for call in (lambda: melody.load(5), lambda: melody.read(None), lambda: Piece.read(3.0), lambda: folk_tune(0).write(7)):
        with pytest.raises(ArgumentError, match="must be a path"):
            call()
    with pytest.raises(MelodyError, match="no engine 'onx'; take one of numpy, onnx, int8"):
        melody.load("fiddle", engine="onx")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="takes no 'engin'; did you mean engine"):
        melody.load("fiddle", engin="onnx")  # type: ignore[call-arg]


def test_checked_and_keywords_leave_a_right_call_alone() -> None:
    @checked
    def plain(a: int, *, b: int = 2) -> tuple[int, int]:
        return a, b

    @keywords(kinds.Ending, any_ending=False, parallels=False)
    def more(a: int, **given: Any) -> tuple[int, dict[str, Any]]:
        """Something."""
        return a, given

    assert plain(1, b=3) == (1, 3) and more(1, any_ending=True) == (1, {"any_ending": True}) and more(1) == (1, {})
    shown = "(a: int, *, any_ending: bool = False, parallels: bool = False) -> tuple[int, dict[str, typing.Any]]"
    assert str(inspect.signature(more)) == shown


def test_training_from_python_takes_the_parts_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("songs").mkdir()
    for number in range(24):
        folk_tune(number).write(f"songs/{number:02}.mid")
    shape: dict[str, Any] = {"epochs": 1, "hidden_size": 16, "layers": 1, "samples": 0, "batch_size": 8}
    epochs: list[Any] = []
    model = melody.train("songs", minutes=1, part="melodic", on_epoch=epochs.append, **shape)
    assert melody.load("songs").file.fingerprint == model.file.fingerprint  # checkpoints/songs.safetensors
    assert model.file.manifest["settings"]["part"] == "melodic" and len(epochs) == 1
    adapted = melody.train("songs", out="b.safetensors", from_=model, epochs=1, samples=0)
    assert adapted.file.training["started_from"].startswith("songs ")


@pytest.mark.parametrize("name", ["tempo", "max_leap", "range", "metre", "scale", "key", "grid", "chords", "velocity"])
@pytest.mark.parametrize("value", [0, False])
def test_a_limit_that_is_nothing_is_refused_and_not_left_out(name: str, value: object) -> None:
    with pytest.raises(MelodyError):
        melody.load("fiddle").generate(bars=1, seed=1, **{name: value})


def test_arrays_of_numpy_are_taken_like_lists() -> None:
    model = melody.load("fiddle")
    for limits in ({"metre": np.array([6, 8])}, {"velocity": np.array([40, 100])}, {"chords": np.array(["Dm", "C"])}):
        lists = {name: value.tolist() for name, value in limits.items()}
        assert model.generate(bars=2, seed=1, **limits) == model.generate(bars=2, seed=1, **lists)


@pytest.mark.parametrize("wrong", [{"layers": 1000}, {"hidden_size": 10**7}, {"minutes": None}, {"out": "tune.mid"}])
def test_what_cannot_be_trained_is_refused_before_anything_is_written(wrong: dict, tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    for n in range(3):
        folk_tune(n).write(songs / f"{n}.mid")
    before = folk_tune(9)
    before.write(tmp_path / "tune.mid")
    out = tmp_path / str(wrong.get("out", "model.safetensors"))
    with pytest.raises(MelodyError):
        melody.train(songs, **({"epochs": 1, "samples": 0} | wrong | {"out": out}))
    assert not (tmp_path / "model.safetensors").exists() and melody.read(tmp_path / "tune.mid") == before
    with pytest.raises(MelodyError):
        melody.train("")
