"""The pedal of a piece: read, repaired, written, heard and drawn."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_hex import END, file, track
from piece_strategies import pieces, presses

from melody import midi
from melody.corpus import PrepareSettings, prepare
from melody.corpus.bulk.columns import read_together
from melody.corpus.bulk.states import packed
from melody.corpus.encode.encoder import Encoder, count, decode
from melody.corpus.events import joined, of_piece, to_piece
from melody.errors import PieceError, VocabularyError
from melody.midi.read_limits import ReadLimits
from melody.midi.reading import scan
from melody.midi.salvage import salvage
from melody.piece import Part, Pedal, Piece
from melody.render import RenderSettings, render
from melody.report.roll import plot
from melody.report.svg_roll import svg_roll
from melody.studio.sheets import piece_of, sheet_of
from melody.tokens.grammar import Grammar
from melody.tokens.inputs.features import context
from melody.tokens.inputs.schema import FEATURES
from melody.tokens.usage import Parts, Usage
from melody.tokens.vocabulary import Vocabulary

PIANO, VIOLIN, KIT = Part(0), Part(40), Part(0, is_drum=True)
NOTE = "00 90 3C 40 18 80 3C 40"  # a quarter at 24 ticks a quarter


def read(*tracks: str) -> midi.Reading:
    """A file of 24 ticks a quarter."""
    return midi.parse(file(*(track(events, END) for events in tracks), division=24))


messages = st.one_of(
    st.tuples(st.just("note_on"), st.integers(0, 2), st.integers(60, 62), st.just(64)),
    st.tuples(st.just("note_off"), st.integers(0, 2), st.integers(60, 62), st.just(0)),
    st.tuples(st.just("control_change"), st.integers(0, 2), st.sampled_from([64, 64, 121, 7]), st.sampled_from([0, 30, 90])),
    st.tuples(st.just("program_change"), st.integers(0, 1), st.sampled_from([0, 4, 40]), st.just(0)),
)  # fmt: skip


def written(tracks: list[list[tuple[int, tuple[str, int, int, int]]]]) -> bytes:
    """A whole file by mido: every note ends, and every channel plays and ends with a note."""
    out = mido.MidiFile(ticks_per_beat=24)
    for events in tracks:
        rows, sounding = mido.MidiTrack(), set()
        for wait, (kind, channel, number, value) in [*events, *[(1, ("note_on", c, 70, 64)) for c in range(3)]]:
            if (kind == "note_on") == ((channel, number) in sounding) and kind.startswith("note"):
                continue
            if kind == "program_change":
                rows.append(mido.Message(kind, channel=channel, program=number, time=wait))
            elif kind == "control_change":
                rows.append(mido.Message(kind, channel=channel, control=number, value=value, time=wait))
            else:
                (sounding.add if kind == "note_on" else sounding.discard)((channel, number))
                rows.append(mido.Message(kind, channel=channel, note=number, velocity=value, time=wait))
        rows.extend(mido.Message("note_off", channel=c, note=n, time=1) for c, n in sorted(sounding))
        out.tracks.append(rows)
    held = io.BytesIO()
    out.save(file=held)
    return held.getvalue()


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), messages), max_size=30), min_size=1, max_size=2))
def test_the_fast_and_the_careful_reader_find_the_same_pedal(tracks: list) -> None:
    data = written(tracks)
    quick, careful = scan(data)[0], salvage(data, ReadLimits(), [])
    assert [curve.tolist() for curve in quick.sustain] == [curve.tolist() for curve in careful.sustain]


@given(st.lists(st.tuples(st.integers(0, 9), messages), max_size=40))
def test_a_piece_sounds_as_the_file_that_it_was_read_from(events: list) -> None:
    on_one = [(wait, (kind, 0, *rest)) for wait, (kind, _, *rest) in events if kind != "program_change"]
    data = written([[*on_one, (1, ("control_change", 0, 64, 0))]])
    found = midi.parse_performed(data)
    piece = found.reading.piece.select(found.reading.piece.pitch < 70)
    assert piece.sounding_end.tolist() == found.performance.held(piece).end.tolist()


@given(pieces(max_parts=3))
def test_what_is_written_and_read_again_has_the_same_pedal_and_legal_controllers(piece: Piece) -> None:
    data = midi.to_bytes(piece)
    again = midi.parse(data, ticks_per_quarter=piece.ticks_per_quarter)
    assert again.piece.pedals == piece.pedals and not again.repairs
    for number, rows in enumerate(mido.MidiFile(file=io.BytesIO(data)).tracks[1:]):
        turns = [row.value for row in rows if row.type == "control_change" and row.control == 64]
        assert turns == [127, 0] * (len(turns) // 2)
        assert bool(turns) == (bool(piece.pedals) and piece.parts[number].is_keyboard)


@given(pieces(max_parts=3))
def test_pretty_midi_has_the_pedal_too(piece: Piece) -> None:
    piece = replace(piece, tempi=piece.tempi[:1], title="")
    turns = [c.value for i in piece.to_pretty_midi().instruments for c in i.control_changes]
    assert len(turns) == 2 * len(piece.pedals) * sum(part.is_keyboard for part in piece.parts)


REPAIRS = {
    "half-pedalling": ("00 B0 40 7F 04 B0 40 50 04 B0 40 20 04 B0 40 00" + NOTE, [(0, 8)], "half-pedalling .* 2 values"),
    "pressed twice": (
        "00 B0 40 7F 04 B0 40 7F 04 B0 40 00" + NOTE,
        [(0, 8)],
        "1 press of a pedal that was down passed over",
    ),
    "never let go": ("00 B0 40 7F" + NOTE, [(0, 24)], "never let go"),
    "lifted by a reset": ("00 B0 40 7F 06 B0 79 00" + NOTE, [(0, 6)], ""),
    "let go at first": ("00 B0 40 00" + NOTE, [], ""),
    "let go and pressed again at once": ("00 B0 40 7F 06 B0 40 00 00 B0 40 7F 06 B0 40 00" + NOTE, [(0, 6), (6, 12)], ""),
}


@pytest.mark.parametrize("which", REPAIRS)
def test_what_is_made_of_a_pedal_is_told(which: str) -> None:
    events, pedals, words = REPAIRS[which]
    found = read(events)
    assert found.piece.pedals == tuple(Pedal(*press) for press in pedals)
    assert len(found.repairs) == bool(words)
    assert not words or re.search(words, found.repairs[0])


def test_a_press_too_short_for_the_grid_is_left_out_and_told() -> None:
    data = file(track("00 B0 40 7F 01 B0 40 00" + NOTE, END), division=480)
    found = midi.parse(data)
    assert not found.piece.pedals and "1 short press of the pedal" in found.repairs[0]


def test_two_hands_share_a_pedal_and_of_two_pianists_one_is_taken() -> None:
    pressed = "00 B0 40 7F 06 B0 40 00 06 B0 40 7F 06 B0 40 00"
    other = "00 B1 40 7F 12 B1 40 00 00 91 40 40 18 81 40 40"
    assert read(pressed + NOTE, pressed + NOTE).repairs == ()
    found = read(pressed + NOTE, other)
    assert len(found.piece.pedals) == 2 and "pedals of 2 tracks" in found.repairs[0]
    assert read(NOTE, other).piece.pedals == (Pedal(0, 18),)


def test_many_files_read_together_have_the_pedals_of_each() -> None:
    files = [file(track(events, END)) for events, _, _ in REPAIRS.values()] * 4
    sources = [packed(source) for source, _ in (scan(data) for data in files)]
    together, words = read_together(sources, 24)
    for number, data in enumerate(files):
        found = midi.parse(data)
        assert words[number] == found.repairs
        assert to_piece(together, number, 24).pedals == found.piece.pedals


def test_only_keyboards_are_held() -> None:
    piece = Piece([0, 0, 0], [12] * 3, [60, 62, 36], part=[0, 1, 2], parts=(PIANO, VIOLIN, KIT), pedals=[(0, 48)])
    assert piece.sounding_end.tolist() == [48, 12, 12]
    assert not read("00 C0 28 00 B0 40 7F 06 B0 40 00" + NOTE).piece.pedals


@pytest.mark.parametrize(
    ("pedals", "end"),
    [([(12, 48)], 48), ([(24, 48)], 24), ([(0, 24)], 24), ([(0, 24), (24, 48)], 24), ([(0, 400)], 72), ([(25, 48)], 24)],
    ids=["held", "down as it ends", "up as it ends", "pressed again as it ends", "struck again", "down too late"],
)
def test_a_note_that_ends_under_the_pedal_sounds_on(pedals: list, end: int) -> None:
    assert Piece([0, 72], [24, 24], [60, 60], pedals=pedals).sounding_end[0] == end


def test_at_one_tick_notes_end_then_the_pedal_turns_then_notes_begin() -> None:
    piece = Piece([0, 24], [24, 24], [60, 62], pedals=[(0, 24), (24, 40)])
    rows = mido.MidiFile(file=io.BytesIO(midi.to_bytes(piece))).tracks[1]
    ticks = np.cumsum([row.time for row in rows])
    at_once = [row for row, tick in zip(rows, ticks.tolist()) if tick == 24 * 20]  # written on a grid of 480
    assert [(row.type, row.velocity if row.type == "note_on" else row.value) for row in at_once] == [
        ("note_on", 0),
        ("control_change", 0),
        ("control_change", 127),
        ("note_on", 90),
    ]


@given(pieces(max_parts=2), presses, st.integers(1, 400), st.integers(1, 400))
def test_cutting_and_joining_keep_the_pedal_where_it_is(piece: Piece, pedals: tuple, start: int, length: int) -> None:
    piece = replace(piece, time_signatures=piece.time_signatures[:1], pedals=pedals)
    down = np.array([any(p.onset <= t < p.end for p in pedals) for t in range(start + length)], bool)
    cut = piece.slice(start, start + length)
    assert [any(p.onset <= t < p.end for p in cut.pedals) for t in range(length)] == down[start:].tolist()
    joined = piece.slice(0, start).join(cut, start)
    assert [any(p.onset <= t < p.end for p in joined.pedals) for t in range(start + length)] == down.tolist()
    assert piece.transpose(0).pedals == piece.pedals


@pytest.mark.parametrize("pedals", [[(4, 4)], [(0, 8), (6, 12)], [(-1, 4)], [(1, 2, 3)], "down"])
def test_impossible_presses_are_refused(pedals: object) -> None:
    with pytest.raises(PieceError, match="pedal"):
        Piece([0], [24], [60], pedals=pedals)


def test_the_pedal_is_heard_and_drawn() -> None:
    dry = Piece([0, 96], [6, 96], [60, 67], parts=(PIANO,))
    held = replace(dry, pedals=(Pedal(0, 72),))
    settings = RenderSettings(sample_rate=8000)
    at = slice(8000 // 2, 8000)  # from half a second to a second: the first note is over after an eighth of one
    short, long = (np.abs(render(piece, settings)[at]).mean() for piece in (dry, held))
    assert long > 10 * short
    gids = [[c.get_gid() for c in plot(piece).axes[0].collections] for piece in (dry, held)]
    assert ["pedal" in row for row in gids] == [False, True]
    assert ['class="pedal"' in svg_roll(piece).roll for piece in (dry, held)] == [False, True]


@given(pieces(max_parts=2))
def test_a_sheet_of_the_studio_has_the_pedal(piece: Piece) -> None:
    assert piece_of(sheet_of(piece)).pedals == piece.pedals


# The pedal in a vocabulary


def song(pedals: object = (), onset: int = 24) -> Piece:
    """Five notes of a piano."""
    return Piece([0, onset, 48, 48, 96], [24] * 5, [60, 62, 64, 67, 60], keys=[(0, 0, "major")], pedals=pedals)


PEDALLED = song([(0, 24), (24, 48), (60, 108)])


@given(pieces(max_parts=2), presses)
def test_encoding_is_exact_with_a_pedal(piece: Piece, pedals: tuple) -> None:
    piece = replace(piece, title="", texts=(), parts=tuple(replace(p, name="") for p in piece.parts), pedals=pedals)
    vocabulary = Vocabulary.build([piece])
    assert vocabulary.pedal == bool(pedals)
    assert vocabulary.decode(vocabulary.encode(piece)).pedals == pedals
    assert Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary


def test_few_pieces_with_a_pedal_leave_a_vocabulary_and_its_rows_as_they_are() -> None:
    dry, few = Vocabulary.build([song()] * 9), Vocabulary.build([song()] * 9 + [PEDALLED])
    assert few == dry and not few.pedal and "pedal" not in few.to_dict()
    assert np.array_equal(few.encode(PEDALLED), dry.encode(song()))
    assert Vocabulary.build([song()] * 3 + [PEDALLED]).pedal


def test_a_corpus_is_counted_and_encoded_as_its_pieces_are() -> None:
    some = [PEDALLED, song(), song([(3, 7)], onset=36)]
    vocabulary, together = Vocabulary.build(some), joined([of_piece(piece) for piece in some])
    usage = Usage(Parts())
    usage.grids.add(24)
    for piece in some:
        usage.parts.add(piece)
    count(usage, together)
    assert Vocabulary.of_usage(usage) == vocabulary
    rows, starts, exact = Encoder(vocabulary).encode(together)
    assert exact.all()
    for number, piece in enumerate(some):
        assert np.array_equal(rows[starts[number] : starts[number + 1]], vocabulary.encode(piece))
    again = decode(vocabulary, rows.astype(np.int64), starts)
    assert [to_piece(again, number, 24).pedals for number in range(3)] == [piece.pedals for piece in some]


@pytest.mark.parametrize("bars", [None, 2])
@pytest.mark.parametrize("pedal", [True, False])
def test_the_pedal_goes_up_and_down_in_turn_and_is_up_at_the_end(bars: int | None, pedal: bool) -> None:
    vocabulary, random, streams = Vocabulary.build([PEDALLED]), np.random.default_rng(3), 20
    grammar, done = Grammar(vocabulary, streams, bars=bars, pedal=pedal), np.zeros(streams, bool)
    rows: list[np.ndarray] = []
    for step in range(200):
        row = np.zeros((streams, 5), np.int64)
        times = grammar.times()
        assert times.any(axis=1).all()
        row[:, 0] = [0 if t[0] and step > 40 else random.choice(np.flatnonzero(t)) for t in times]
        done |= row[:, 0] == 0
        for field, masks in ((1, grammar.kinds), (2, grammar.values)):
            legal = masks(*row[:, :field].T)
            assert legal[~done].any(axis=1).all()
            row[:, field] = [random.choice(np.flatnonzero(m)) if m.any() else 0 for m in legal]
        grammar.push(row, active=~done)
        rows.append(np.where(done[:, None], 0, row))
        if done.all():
            break
    assert done.all()
    for stream in range(streams):
        own = np.array([row[stream] for row in rows])
        turns = own[vocabulary.is_turn(own), 2] - vocabulary.first_turn
        assert turns.tolist() == [1, 0] * (len(turns) // 2) and (pedal or not len(turns))
        piece = vocabulary.decode(own)
        assert np.array_equal(vocabulary.decode(vocabulary.encode(piece)).pedals, piece.pedals)


def test_turns_out_of_turn_are_no_music() -> None:
    vocabulary = Vocabulary.build([PEDALLED])
    rows = vocabulary.encode(PEDALLED)
    turns = np.flatnonzero(vocabulary.is_turn(rows))
    rows[turns[0], 2] = vocabulary.first_turn
    with pytest.raises(VocabularyError, match="pedal"):
        vocabulary.decode(rows)


def test_the_pedal_stays_where_it_is_when_music_is_transposed_and_keys_are_read() -> None:
    vocabulary = Vocabulary.build([PEDALLED], transpositions=(0, 2))
    rows = vocabulary.encode(PEDALLED)
    moved = rows.copy()
    moved[:, 2] = vocabulary.value_transposition(2)[rows[:, 2]]
    kept = rows[:, 1] >= 2
    assert np.array_equal(vocabulary.encode(PEDALLED.transpose(2))[kept, 2], moved[kept, 2])
    key = [row.name for row in FEATURES].index(("key",))
    turns = np.flatnonzero(vocabulary.is_turn(rows))
    assert set(context(vocabulary, rows)[turns, key].tolist()) == {1 + vocabulary.keys.index((0, "major"))}


def test_a_corpus_may_leave_the_pedal_out_and_then_is_that_of_its_notes(tmp_path: Path) -> None:
    """Notes are as long as keys are held, as if nobody had pressed it; both stores are of the same folder."""
    for number in range(4):
        rng = np.random.default_rng(number)
        tune = Piece(np.arange(24) * 12, np.full(24, 9), rng.integers(48, 80, 24), pedals=((0, 24), (30, 40 + number)))
        for name, piece in (("pressed", tune), ("dry", replace(tune, pedals=()))):
            (tmp_path / name).mkdir(exist_ok=True)
            midi.write(piece, tmp_path / name / f"{number}.mid")
    found = [
        prepare(tmp_path / "pressed", store=tmp_path / "one.store"),
        prepare(tmp_path / "pressed", PrepareSettings(pedal=False), store=tmp_path / "one.store"),
        prepare(tmp_path / "dry"),
    ]
    pressed, left_out, dry = found
    assert [corpus.vocabulary.pedal for corpus in found] == [True, False, False]
    assert left_out.vocabulary == dry.vocabulary
    for rows, other in zip(left_out.rows("train"), dry.rows("train"), strict=True):
        assert np.array_equal(rows, other)
    assert "as long as their keys are held" in " ".join(left_out.remarks)
    assert not any("pedal" in remark for remark in pressed.remarks)
