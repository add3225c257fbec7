"""The studio's page in a real Chromium, from one end to the other. One server and one page for all tests, in their order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from music import folk_tune

from melody import midi
from melody.render import RenderSettings, render
from melody.studio.sheets import piece_of

studios = pytest.importorskip("studios", reason="needs starlette, uvicorn and httpx")
in_page, sheet, until, says, settled = studios.in_page, studios.sheet, studios.until, studios.says, studios.settled


def test_one_press_writes_a_tune_that_appears_and_sounds(page: Any) -> None:
    page.fill("#bars", "4")
    page.fill("#seed", "7")
    page.click("#write")
    page.wait_for_selector("#roll.full")
    settled(page)
    assert "seed 7" in page.inner_text("#status")
    loudest = in_page(
        page,
        """
        const { player } = studio, ear = player.context.createAnalyser(), samples = new Float32Array(ear.fftSize);
        player.out.connect(ear);
        studio.loop(true);
        if (!player.playing) await studio.play();
        let most = 0;
        const began = player.tick;
        for (let i = 0; i < 4000 && (most < 0.05 || player.tick === began); i++) {
          await new Promise(done => setTimeout(done, 15));
          ear.getFloatTimeDomainData(samples);
          most = Math.max(most, ...samples.map(Math.abs));
        }
        studio.loop(false);
        return { most, moved: player.tick !== began };
        """,
    )
    assert loudest["most"] > 0.05 and loudest["moved"]


def test_what_the_page_plays_is_our_own_rendering(page: Any) -> None:
    wanted = render(piece_of(sheet(page)), RenderSettings())[:, 0]
    mixed = np.array(in_page(page, "return Array.from(await studio.player.rendered(3));"))
    assert np.abs(mixed).max() > 0.01
    assert np.corrcoef(mixed, wanted[: len(mixed)])[0, 1] > 0.999


def test_roll_score_and_clock_follow_one_another(page: Any) -> None:
    page.wait_for_selector("#score g.note")
    heads = page.evaluate("new Set([...document.querySelectorAll('#score g.note')].map(g => g.id.split('-')[0])).size")
    assert heads == len(sheet(page)["notes"])
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    page.wait_for_selector("#score g.note.on")
    page.keyboard.press("Enter")
    assert page.inner_text(".where").endswith(".1") and page.get_attribute("#play", "aria-label") == "Play"


def test_edits_by_mouse_and_keys_are_undone_and_done_again(page: Any) -> None:
    before = sheet(page)["notes"]
    page.click("#roll", position={"x": 60, "y": 12})
    page.keyboard.press("ArrowRight")
    assert "bar" in page.inner_text("#live")
    page.keyboard.press("s")
    page.keyboard.press("Shift+ArrowUp")
    moved = sheet(page)["notes"]
    changed = [note for note in moved if note not in before]
    assert len(changed) == 1 and changed[0][5] == 1 and changed[0][2] - 12 in [note[2] for note in before]
    page.keyboard.press("Delete")
    assert len(sheet(page)["notes"]) == len(before) - 1
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert sheet(page)["notes"] == before
    page.keyboard.press("Control+y")
    assert sheet(page)["notes"] == moved
    page.keyboard.press("Control+z")


def test_going_on_adds_bars_and_leaves_the_others(page: Any) -> None:
    before = sheet(page)["notes"]
    page.fill("#bars", "2")
    page.click("#goon")
    until(page, f"document.getElementById('roll').dataset.notes > {len(before)}")
    settled(page)
    after = sheet(page)["notes"]
    assert after[: len(before)] == before and len(after) > len(before)
    page.keyboard.press("Enter")


def test_a_file_that_is_dropped_is_the_users_own_and_stays_as_the_model_goes_on(page: Any) -> None:
    page.set_input_files("#file", {"name": "mine.mid", "mimeType": "audio/midi", "buffer": midi.to_bytes(folk_tune(3))})
    says(page, "yours and locked")
    tune = sheet(page)
    assert len(tune["notes"]) == folk_tune(3).num_notes and all(note[5] for note in tune["notes"])
    in_page(page, "studio.pencil.bars([1, 1]);")
    page.click("#tab-change")
    page.click("#again")
    page.wait_for_selector("#status.wrong")
    assert "locked" in page.inner_text("#status")
    page.keyboard.press("Escape")


def test_what_the_hand_does_ends_what_is_being_written(page: Any) -> None:
    page.click("#tab-write")
    page.fill("#bars", "512")
    page.click("#write")
    until(page, "document.getElementById('roll').dataset.notes > 60")
    mine = {"name": "meanwhile.mid", "mimeType": "audio/midi", "buffer": midi.to_bytes(folk_tune(4))}
    page.set_input_files("#file", mine)
    says(page, "meanwhile.mid: the notes are yours and locked")
    page.wait_for_selector("#write:enabled")
    assert len(sheet(page)["notes"]) == folk_tune(4).num_notes and page.inner_text("#status").startswith("meanwhile")
    in_page(page, "studio.stop();")


def test_notes_that_are_typed_become_the_tune(page: Any) -> None:
    page.click("#tab-write")
    page.click("summary:has-text('Begin with')")
    page.fill("#typed", "D4/4 E F# G A/2 D5/2 C#5/4 A B G F#/2 E/2")
    page.click("#usetyped")
    until(page, "document.getElementById('roll').dataset.notes === '12'")
    assert [note[2] for note in sheet(page)["notes"]][:4] == [62, 64, 66, 67]
    page.click("summary:has-text('Begin with')")


def test_bars_again_are_heard_by_their_numbers_and_one_is_taken_by_enter(page: Any) -> None:
    page.focus("#roll")
    page.keyboard.press("k")
    before = sheet(page)["notes"]
    assert not any(note[5] for note in before)
    in_page(page, "studio.pencil.bars([2, 2]);")
    page.keyboard.press("r")
    page.wait_for_selector(".choice")
    page.focus("#roll")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    assert not page.is_visible("#choices")
    after = sheet(page)["notes"]
    outside = [[note[:3] for note in notes if not 96 <= note[0] < 192] for notes in (before, after)]
    assert outside[0] == outside[1] and before != after
    page.keyboard.press("Control+z")
    assert sheet(page)["notes"] == before
    page.keyboard.press("Control+y")
    page.keyboard.press("Enter")


def test_surprise_is_a_shade_of_each_note(page: Any) -> None:
    page.click("#tab-know")
    page.check("#shade")
    until(page, "/nats a note/.test(document.querySelector('#panel-know').textContent)")
    shades = in_page(page, "return studio.roll.shades;")
    assert len(shades) == len(sheet(page)["notes"]) and len(set(shades)) > 3
    page.uncheck("#shade")
    page.click("#compare")
    page.wait_for_selector("table.numbers, #status.wrong")
    assert "pieces of" in page.inner_text("#panel-know")


def test_what_is_kept_and_the_draft_survive_and_read_back(page: Any, running: Any) -> None:
    tune = sheet(page)
    page.fill("#title", "An air")
    page.click("#tab-keep")
    page.click("#keep")
    page.wait_for_selector(".list .name:has-text('An air')")
    with page.expect_download() as saved:
        page.click(".files a:has-text('MIDI')")
    back = midi.read(saved.value.path())
    assert back.pitch.tolist() == [note[2] for note in tune["notes"]] and saved.value.suggested_filename == "An air.mid"
    last = in_page(page, "studio.pencil.transpose(2); return studio.tune.notes;")
    page.reload()  # at once
    page.wait_for_selector("#roll.full")
    assert [note[:5] for note in sheet(page)["notes"]] == [note[:5] for note in last] != [n[:5] for n in tune["notes"]]


def test_a_link_writes_the_same_tune_again(page: Any, running: Any) -> None:
    page.click("#tab-write")
    page.fill("#seed", "11")
    page.fill("#bars", "2")
    page.click("#write")
    settled(page)
    notes = sheet(page)["notes"]
    page.click("#tab-keep")
    page.click("#link")
    until(page, "location.hash.includes('write=')")
    page.reload()
    page.wait_for_selector("html[data-ready=yes]")
    settled(page)
    assert sheet(page)["notes"] == notes
    page.keyboard.press("Enter")


def test_a_training_from_the_page_is_stopped_gone_on_with_to_its_end_and_used(page: Any) -> None:
    pytest.importorskip("pytorch_lightning", reason="needs the extra train")
    words = "document.getElementById('panel-train').textContent"
    page.click("#tab-train")
    music = [
        {"name": f"{number}.mid", "mimeType": "audio/midi", "buffer": midi.to_bytes(folk_tune(number))}
        for number in range(12)
    ]
    page.set_input_files("#music", [*music, {"name": "page.mid", "mimeType": "audio/midi", "buffer": b"<!DOCTYPE html>"}])
    until(page, "document.querySelector('#panel-train [role=status]').textContent.startsWith('13 of 13')")
    page.fill("#trainname", "rules")
    page.fill("#trainminutes", "20")
    page.click("#train")
    until(page, f"/Epoch [0-9]+ of/.test({words})")
    page.click("#stoptrain")
    page.wait_for_selector("#resume:visible, #status.wrong")
    assert "It was stopped after" in page.text_content("#panel-train") and page.is_visible("#use")
    page.fill("#trainminutes", "0.05")
    page.click("#resume")
    until(page, f"/the model of epoch [0-9]+ is kept/.test({words}) && !/It was stopped/.test({words})")
    page.wait_for_selector("#train:visible")
    found = page.text_content("#panel-train")
    assert "kept 12" in found and "page.mid" in found and "nats a note" in found and "n-gram's line" in found
    assert "`" not in found
    page.click("#use")
    page.fill("#bars", "2")
    page.fill("#seed", "1")
    page.click("#write")
    settled(page)
    assert page.input_value("#model") == "rules" and sheet(page)["notes"]
    page.keyboard.press("Enter")
    page.select_option("#model", "fiddle")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken(page: Any, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.evaluate("for (const each of document.querySelectorAll('[role=tabpanel]')) each.hidden = false;")
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true;")
    still = "() => Promise.all(document.getAnimations().map(each => each.finished))"  # colours that change
    page.evaluate(still)
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.keyboard.press("?")
    page.evaluate(still)
    found = axe.Axe().run(page, context="dialog")
    assert found.violations_count == 0, found.generate_report()
    page.keyboard.press("Escape")
    page.click("#tab-write")


def test_a_refusal_is_a_sentence_on_the_page(page: Any) -> None:
    page.click("#tab-write")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    page.fill("#steer-key", "H#")
    page.click("#write")
    page.wait_for_selector("#status.wrong")
    assert "H#" in page.inner_text("#status")
    page.fill("#steer-key", "")
