"""The laws of `melody osc`: python-osc's own client feeds and asks a second process; nothing that is sent ends it."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import melody
from melody.along.osc.door import Door, Message
from melody.along.osc.udp import HERE, MOST_BYTES, answered
from melody.cli import main
from melody.limits import Limits
from melody.sampling.settings import SamplingSettings

udp_client = pytest.importorskip("pythonosc.udp_client", reason="needs python-osc")
IN_D = {2, 4, 6, 7, 9, 11, 1}


def door_of(name: str = "fiddle", **limits: Any) -> Door:
    return Door(melody.load(name), Limits.parse(**limits), SamplingSettings(seed=1))


def ask(door: Door, address: str, *values: Any) -> list[Message]:
    return door.answers(Message(address, values))


@pytest.fixture(scope="module")
def process() -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [
        sys.executable,
        "-m",
        "melody",
        "osc",
        "fiddle",
        "--key",
        "D",
        "--range",
        "D4:B5",
        "--seed",
        "1",
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        words = run.stdout.readline().split()
        yield run, int(words[-1])
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
        run.wait(20)


def test_another_program_feeds_notes_and_asks_what_comes_next(process: tuple[Any, int]) -> None:
    with udp_client.SimpleUDPClient(HERE, process[1]) as client:

        def said(address: str, *values: Any) -> list[tuple[str, list[Any]]]:
            client.send_message("/melody/" + address, values)
            first = [next(client.get_messages(20))]
            return [(each.address.removeprefix("/melody/"), each.params) for each in first]

        for number, pitch in enumerate((62, 66, 69, 74)):
            ((address, values),) = said("feed", pitch, number / 2, 90, 1)
            assert address == "fed" and values == [pitch, number / 2, 1]
        ((address, asked),) = said("query")
        assert address == "note" and asked[1] >= 1.5 and asked[0] % 12 in IN_D and said("query") == [("note", asked)]
        assert said("feed", *asked[:4])[0][0] == "fed" and said("query")[0][1] != asked
        assert said("reset", 5)[0][1][0] == "fiddle" and said("panic")[0][0] == "ready"
        ((address, values),) = said("feed", 300)
        assert address == "error" and values[0].startswith("pitch is '300'; it must be")


def test_nothing_that_is_sent_ends_it(process: tuple[Any, int]) -> None:
    """Damaged, huge, of wrong types: each is answered with a sentence, and the next one as if it had not been."""
    draw = random.Random(0)
    good = b"/melody/feed\0\0\0\0,iif\0\0\0\0" + b"\0\0\0\x3e\0\0\0\1\x42\xb4\0\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(20)
        bad = [b"", b"\0", b"#bundle\0" * 90, b"/" * (MOST_BYTES + 1), b"x" * 9000, b"/\xff\xfe\0,s\0\0\xff\0\0\0"]
        bad += [good[: draw.randrange(1, len(good))] for _ in range(20)]
        for _ in range(60):
            at = draw.randrange(len(good))
            bad.append(good[:at] + bytes([draw.randrange(256)]) + good[at + 1 :])
        for each in bad:
            own.sendto(each, (HERE, process[1]))
            assert own.recv(9000).startswith(b"/melody/")
        own.sendto(b"/melody/reset\0\0\0,\0\0\0", (HERE, process[1]))
        assert own.recv(9000).startswith(b"/melody/ready")


def test_what_is_asked_for_is_no_music_until_it_is_taken() -> None:
    door = door_of(key="D")
    asked = ask(door, "query")
    taken = ask(door, "take", 8)
    assert taken[0].values[:3] == asked[0].values[:3] and taken[-1] == Message("taken", (8.0, len(taken) - 1))
    assert len(taken) > 4 and {each.values[0] % 12 for each in taken[:-1]} <= IN_D
    ask(door, "limits", "key", "", "scale", "C,E,G", "temperature", 0.5)
    later = ask(door, "take", 20)[1:-1]
    assert later and {each.values[0] % 12 for each in later} <= {0, 4, 7}


def test_a_voice_is_fed_beside_those_of_the_model_and_its_end_as_velocity_0() -> None:
    door = door_of("chorales")
    assert ask(door, "limits", "silent", "1") == [Message("ok")]
    for beat, pitch in enumerate((67, 69, 71, 72)):
        assert ask(door, "feed", pitch, beat, 80, 1)[0].address == "fed"
        assert {each.values[3] for each in ask(door, "take", beat + 1)[:-1]} <= {2, 3, 4}
    assert ask(door, "feed", 72, 4, 0, 1)[0] == Message("fed", (72, 4.0, 1))
    ends = [each for each in ask(door, "panic") if each.address == "note"]
    assert ends and all(each.values[2] == 0 for each in ends)


def test_what_cannot_be_is_answered_with_a_sentence_and_changes_nothing() -> None:
    door = door_of("chorales", key="D")
    asked = ask(door, "query")
    wrong: list[tuple[Any, ...]] = [("sing",), ("feed",), ("feed", "x"), ("feed", 62.5), ("feed", 62, float("nan"))]
    wrong += [
        ("feed", 62, 0, 90, 9),
        ("feed", None),
        ("feed", b"12"),
        ("feed", 62, 0, 200),
        ("take",),
        ("take", 1e9),
        ("take", [1]),
    ]
    wrong += [
        ("limits", "key", "H"),
        ("limits", "tempo", "3"),
        ("limits", "scale", "C" * 300),
        ("limits", "silent", "1,2,3,4"),
    ]
    wrong += [("limits", "temperature", "hot"), ("reset", -1), ("panic", 1), ("feed", 62, 500_000, 0)]
    for address, *values in wrong:
        ((answer, said),) = ask(door, address, *values)
        assert answer == "error" and len(said[0]) < 400 and "\n" not in said[0], (address, values)
    assert ask(door, "query") == asked


def test_many_messages_at_once_are_bounded() -> None:
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    for count, answers in ((3, 3), (65, 1)):
        bundle = OscBundleBuilder(IMMEDIATELY)
        for _ in range(count):
            bundle.add_content(OscMessageBuilder("/melody/query").build())
        found = list(answered(door_of(), bundle.build().dgram))
        assert len(found) == answers and (answers == 3) == all(b"/melody/note" in each for each in found)


def test_a_port_that_cannot_be_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind((HERE, 0))
        for port in ("x", "70000", "-1", str(own.getsockname()[1])):
            assert main(["osc", "fiddle", "--port", port]) == 2
            assert capsys.readouterr().err.startswith("melody: ")
