"""The studio as an instrument, in a real Chromium: what is laid on the clock, what comes in and what is dragged out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from music import folk_tune

from melody import midi
from melody.piece import Part, Piece, Tempo
from melody.studio.sheets import sheet_of

studios = pytest.importorskip("studios", reason="needs starlette, uvicorn and httpx")
in_page, sheet, until, says = studios.in_page, studios.sheet, studios.until, studios.says
FAST = 150  # milliseconds of a quarter
TWO = Piece(
    np.array([*range(0, 192, 24), *range(0, 192, 48)]),
    np.repeat([24, 48], [8, 4]),
    np.array([72, 74, 76, 77, 79, 77, 76, 74, 48, 52, 55, 52]),
    part=np.repeat([0, 1], [8, 4]),
    parts=(Part(40, False, "Violin"), Part(42, False, "Cello")),
    tempi=(Tempo(0, 1000 * FAST),),
)
LINE = TWO.select(TWO.part == 0)


def begin_with(page: Any, piece: Piece) -> None:
    """The tune becomes this one, whose sounds are there."""
    found = sheet_of(piece)
    in_page(page, f"studio.escape(); studio.stop(); studio.history.change({json.dumps(found)}, 'begun');")
    in_page(page, "await studio.player.rendered(0.01);")
    page.evaluate("laid.length = 0")


def played(page: Any, seconds: float, before: str = "") -> None:
    """Play for so long by a clock that is moved by hand."""
    in_page(page, f"clock = 100; {before}; await studio.play(); pass({seconds}); studio.stop(); clock = null;")


def laid(page: Any, beats: bool = False) -> Any:
    """When what is laid on the clock begins, in milliseconds after the first."""
    found = np.array(page.evaluate(f"laid.filter(each => each.beat === {str(beats).lower()}).map(each => each.when * 1000)"))
    return np.sort(found) - found.min()


def test_a_loop_comes_round_in_tempo_and_the_metronome_clicks_on_its_beats(page: Any) -> None:
    begin_with(page, TWO)
    in_page(page, "studio.pencil.bars([2, 2]);")
    page.click("button:has-text('Loop')")
    page.click("button:has-text('Metronome')")
    page.fill("#speed", "125")
    played(page, 2, before="studio.stop(); await studio.player.rendered(0.01); laid.length = 0")
    laps, bar = np.arange(4)[:, None], np.array([0, 0, 1, 2, 2, 3])
    assert np.allclose(laid(page)[:24], np.ravel(bar + 4 * laps) * FAST / 1.25, atol=0.1)
    assert np.allclose(laid(page, beats=True)[:16], np.arange(16) * FAST / 1.25, atol=0.1)
    page.click("button:has-text('Loop')")
    page.click("button:has-text('Metronome')")
    page.fill("#speed", "100")


def test_a_part_that_is_muted_is_silent_and_one_that_plays_alone_is_all(page: Any) -> None:
    begin_with(page, TWO)
    page.click("button:has-text('Loop')")
    page.click("#play")
    sounds = """
        const { player } = studio, ears = [0, 1].map(part => {
          const ear = player.context.createAnalyser();
          player.parts[part].connect(ear);
          return ear;
        }), samples = new Float32Array(ears[0].fftSize), heard = ear => {
          ear.getFloatTimeDomainData(samples);
          return Math.max(...samples.map(Math.abs)) > 1e-3;
        };
        for (let i = 0; i < 4000; i++) {
          if (ears.map(heard).join() === wanted) return true;
          await new Promise(done => setTimeout(done, 5));
        }
        return false;"""
    for press, wanted in ((None, "true,true"), ("Mute Cello", "true,false"), ("Play only Cello", "false,true")):
        if press:
            page.click(f"button[aria-label='{press}']")
        assert in_page(page, f"const wanted = '{wanted}'; {sounds}"), wanted
    page.click("button:has-text('Loop')")
    page.keyboard.press("Enter")


def test_in_a_hidden_tab_the_clock_goes_on_and_enough_is_laid_on_it(page: Any) -> None:
    begin_with(page, replace(TWO, tempi=(Tempo(0, 600_000),)))
    seen, hidden, tick = in_page(
        page,
        """
        const last = () => Math.max(...laid.map(each => each.when)) - clock, { player } = studio;
        clock = 100;
        await studio.play();
        const seen = last();
        Object.defineProperty(document, "hidden", { value: true, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
        const hidden = last();
        clock += 1.2;
        const tick = player.tick;
        delete document.hidden;
        studio.stop();
        clock = null;
        return [seen, hidden, tick];
        """,
    )
    assert seen < 0.7 and hidden > 2  # timers of a hidden tab come once a second
    assert abs(tick - 48) < 6  # two quarters in 1.2 seconds, less what has not come to the ear


def test_notes_of_a_tune_that_grows_are_laid_once_and_the_clock_waits_for_them(page: Any) -> None:
    begin_with(page, LINE)
    in_page(
        page,
        """
        const whole = studio.tune, { player } = studio;
        const grow = many => studio.history.show({ ...whole, notes: whole.notes.slice(0, many) }, "grows");
        clock = 100;
        player.growing = true;
        grow(1);
        await studio.play();        // there is no note whose end is certain
        grow(2);
        await studio.play();
        for (const many of [3, 4]) { grow(many); pass(0.05); }
        pass(2);
        for (const many of [5, 6, 7, 8]) grow(many);
        player.growing = false;
        studio.history.back("grown");
        pass(2);
        clock = null;
        """,
    )
    gaps = np.diff(laid(page))
    assert len(gaps) == 7 and np.allclose(np.delete(gaps, 2), FAST, atol=0.1) and gaps[2] > 1000


def test_bars_that_are_copied_take_the_place_of_others(page: Any) -> None:
    begin_with(page, TWO)
    in_page(page, "studio.pencil.bars([1, 1]);")
    page.focus("#roll")
    page.keyboard.press("Control+c")
    page.keyboard.press("d")
    page.keyboard.press("Control+v")
    notes = sheet(page)["notes"]
    first, second = ([note for note in notes if start <= note[0] < start + 96] for start in (0, 96))
    assert [[note[0] - 96, *note[1:5]] for note in second] == [note[:5] for note in first] and len(second) == 6
    assert all(note[5] for note in second)


def test_a_midi_keyboard_is_heard_and_written_down(page: Any) -> None:
    begin_with(page, TWO)
    page.click("#tab-write")
    page.click("summary:has-text('Begin with')")
    page.check("#midi")
    says(page, "listening to Keys")
    in_page(page, "studio.history.change({ ...studio.tune, notes: [] }, 'nothing');")
    page.evaluate("clock = 100")
    page.click("#record")
    page.evaluate(
        "keys.send(0x90, 67, 101); pass(0.3); keys.send(0x80, 67, 0); keys.send(0x91, 71, 80); keys.send(0x91, 71, 0)"
    )
    page.click("#record")
    page.evaluate("clock = null")
    assert [note[:6] for note in sheet(page)["notes"]] == [[0, 48, 67, 101, 0, 1], [48, 6, 71, 80, 0, 1]]
    until(page, "laid.length >= 2")
    page.uncheck("#midi")
    assert page.evaluate("keys.onmidimessage") is None
    page.click("summary:has-text('Begin with')")


def test_a_tune_is_dragged_out_of_the_page_as_a_midi_file(page: Any, running: Any) -> None:
    begin_with(page, replace(TWO, title="A: tune/"))
    page.click("#tab-keep")
    page.hover(".files a:has-text('MIDI')")
    page.mouse.down()
    page.mouse.move(500, 300, steps=4)
    until(page, "!!window.dragged")
    page.mouse.up()
    kind, name, address = page.evaluate("dragged").split(":", 2)
    assert (kind, name) == ("application/octet-stream", "A- tune-.mid")
    with running.client() as client:
        while midi.parse((file := client.get(address)).content).piece.num_notes != TWO.num_notes:  # sent as the drag began
            page.wait_for_timeout(20)
    assert file.headers["content-type"] == "audio/midi"


def test_two_tunes_are_compared_and_an_edit_takes_the_other(page: Any) -> None:
    mine = sheet(page)["notes"]
    in_page(page, "studio.history.change({ ...studio.tune, title: 'An air', notes: studio.tune.notes.slice(2) }, 'other');")
    page.click("#keep")
    says(page, "is on the shelf")
    page.click("#undo")
    page.click("button[aria-label='Compare An air']")
    says(page, "the other tune")
    other = sheet(page)["notes"]
    assert other != mine and in_page(page, "return studio.roll.ghost;") == mine
    page.click("button:has-text('Back to the tune')")
    assert sheet(page)["notes"] == mine and in_page(page, "return studio.roll.ghost;") == []
    page.click("button[aria-label='Compare An air']")
    says(page, "the other tune")
    in_page(page, "studio.pencil.transpose(1);")
    assert [note[2] for note in sheet(page)["notes"]] == [note[2] + 1 for note in other]
    assert not page.is_visible("button:has-text('Back to the tune')")
    page.click("#undo")
    assert sheet(page)["notes"] == mine


def test_alternatives_are_as_like_the_old_bars_as_the_slider_says(page: Any) -> None:
    begin_with(page, folk_tune(3))
    page.click("#tab-change")
    in_page(page, "studio.panels.get('Write').seed.value = 1; studio.pencil.bars([2, 2]);")
    shares = []
    for likeness in ("0", "1"):
        page.fill("#likeness", likeness)
        page.click("#again")
        page.wait_for_selector(".choice:nth-child(4)")
        shares.append([int(text.split()[0]) for text in page.locator(".choice small").all_inner_texts()])
        page.keyboard.press("Escape")
    assert sum(shares[0]) + 80 < sum(shares[1])
    assert page.inner_text("output[for=likeness]") == "nearly"


def test_voices_are_set_under_a_melody_by_a_model_of_several_parts(page: Any) -> None:
    begin_with(page, LINE)
    melody_notes = [note[:3] for note in sheet(page)["notes"]]
    page.click("#tab-write")
    page.select_option("#model", "chorales")
    page.click("#tab-change")
    page.click("button:has-text('Set voices under it')")
    page.wait_for_selector("button[aria-label^='Mute'], #status.wrong")
    voiced = sheet(page)["notes"]
    assert len({note[4] for note in voiced}) == 4 and all(note in [each[:3] for each in voiced] for note in melody_notes)
    page.click("#undo")
    assert [note[:3] for note in sheet(page)["notes"]] == melody_notes
