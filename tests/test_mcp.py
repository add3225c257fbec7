"""The laws of `melody mcp`: the SDK's own client, in a process of its own, gets tunes that keep to limits, and sentences."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

import melody
from melody import files
from melody.along.assistants.tool_schema import of_kind
from melody.along.assistants.tools import TOOLS
from melody.along.assistants.workspace import Workspace
from melody.errors import ArgumentError, MelodyError, SamplingError
from melody.files import FileError
from melody.limits import Limits, verify
from melody.limits.kinds import KINDS
from melody.piece import Piece

pytest.importorskip("mcp", reason="needs the package mcp")

ASKED: dict[str, Any] = {"key": "Dm", "max_leap": 7, "range": "D4:D6", "bars": 4, "seed": 3}
# What is refused, each in the words in which the library refuses it.
REFUSED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("generate", {"model": "fiddle", "key": "H"}),
    ("generate", {"model": "fiddle", "max_leap": 0}),
    ("generate", {"model": "fiddle", "tempo": "fast"}),
    ("generate", {"model": "fiddle", "temperature": -1}),
    ("generate", {"model": "fiddle", "end_on_tonic": "yes"}),
    ("generate", {"model": "fiddle", "bar": 4}),
    ("generate", {"model": "fidle"}),
    ("generate", {}),
    ("continue", {"model": "fiddle"}),
    ("vary", {"model": "fiddle", "tune": "tune.mid", "bars": "90-91"}),
    ("generate", {"model": "fiddle", "out": "tune.mid"}),
    ("generate", {"model": "fiddle", "out": "tune.doc"}),
    ("read", {"tune": "nothing.mid"}),
    ("read", {"tune": "letter.mid"}),
    ("read", {"tune": 7}),
    ("play", {}),
)
OUTSIDE = ("../tune.mid", "{outside}/tune.mid", "link/tune.mid", "a/../../tune.mid", "", ".", "\0", "x" * 5000)


@dataclass(frozen=True)
class Session:
    """What came of a session with the server."""

    folder: Path
    wire: list[str]  # the lines on its stdout
    tools: list[Any]
    answers: dict[str, Any]
    refusals: list[str]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """One session with a real server, whose stdout is noted down on its way to the client."""
    import anyio
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    base = tmp_path_factory.mktemp("session")
    folder, wire = base / "tunes", base / "wire"
    folder.mkdir()
    melody.load("fiddle").generate(seed=1, bars=4).write(folder / "tune.mid")
    (folder / "letter.mid").write_text("Dear Sir")
    command = f"'{sys.executable}' -m melody mcp '{folder}' | tee '{wire}'"
    parameters = StdioServerParameters(command="sh", args=["-c", command], env=dict(os.environ))
    answers: dict[str, Any] = {}
    refusals: list[str] = []

    async def talk() -> list[Any]:
        async with Client(stdio_client(parameters)) as client:
            listed = (await client.list_tools()).tools

            async def call(name: str, tool: str, **given: Any) -> None:
                answer = await client.call_tool(tool, given)
                assert not answer.is_error, answer.content[0].text
                assert json.loads(answer.content[0].text) == answer.structured_content
                answers[name] = answer.structured_content

            await call("generate", "generate", model="fiddle", **ASKED, count=2)
            await call("continue", "continue", model="fiddle", tune="tune.mid", bars=2, key="G", out="longer.mid")
            await call("notes", "continue", model="fiddle", notes="D4/8 E F# A r/4", bars=1, only_new=True)
            await call("vary", "vary", model="fiddle", tune="tune.mid", bars="2", candidates=4, rounds=0)
            await call("originality", "originality", model="fiddle", tune="tune.mid")
            await call("render", "render", tune="tune.mid")
            await call("score", "score", tune="tune.mid", out="tune.abc")
            await call("read", "read", tune="tune.mid", bars="1-2")
            await call("models", "models")
            for tool, given in REFUSED:
                answer = await client.call_tool(tool, given)
                assert answer.is_error and answer.structured_content is None
                refusals.append(answer.content[0].text)
        return listed

    tools = anyio.run(talk)
    return Session(folder, wire.read_text("utf-8").splitlines(), tools, answers, refusals)


def test_nothing_but_the_protocol_is_on_stdout(session: Session) -> None:
    assert len(session.wire) > len(REFUSED)
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in session.wire)


def test_the_tools_are_there_and_their_schemas_are_legal(session: Session) -> None:
    from jsonschema import Draft202012Validator

    assert [tool.name for tool in session.tools] == list(TOOLS)
    assert {"generate", "continue", "vary", "harmonize", "originality", "render", "score"} <= set(TOOLS)
    for tool in session.tools:
        Draft202012Validator.check_schema(tool.input_schema)
        assert tool.description
        for name, schema in tool.input_schema["properties"].items():
            assert schema["description"] and "As of `" not in schema["description"], f"{tool.name} {name}"


def test_every_limit_is_in_the_schema_and_typed() -> None:
    assert list(KINDS) == [field.name for field in fields(Limits)]
    for tool in ("generate", "continue"):
        properties = TOOLS[tool].schema["properties"]
        assert {name: {**of_kind(kind), **properties[name]} for name, kind in KINDS.items()} == {
            name: properties[name] for name in KINDS
        }
    assert set(KINDS) - {"bars"} <= set(TOOLS["vary"].schema["properties"])


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.read is not None])
def test_a_schema_says_what_the_library_takes(name: str) -> None:
    """Its examples and its bounds are taken, and one beyond its bounds is not."""
    schema = of_kind(KINDS[name])
    for good in (*schema.get("examples", ()), *(schema[end] for end in ("minimum", "maximum") if end in schema)):
        Limits.parse(**{name: good})
    for bad in [schema["minimum"] - 1, schema["maximum"] + 1] if "minimum" in schema else ["?"]:
        with pytest.raises(SamplingError):
            Limits.parse(**{name: bad})


def test_tunes_keep_to_the_limits_and_are_those_of_the_library(session: Session) -> None:
    tunes = session.answers["generate"]["tunes"]
    limits = Limits.parse(**{name: value for name, value in ASKED.items() if name != "seed"})
    made = melody.load("fiddle").generate_many(2, **ASKED)
    assert len({tune["file"] for tune in tunes}) == 2
    for tune, own in zip(tunes, made):
        piece = Piece.read(session.folder / tune["file"])
        assert verify(piece, limits) == ()
        assert piece.pitch.tolist() == own.pitch.tolist() and piece.texts == own.texts
        assert tune["key"] == "Dm" and tune["notes"] == piece.num_notes and "K:Dm" in tune["abc"]


def test_a_tune_is_gone_on_with_and_stays(session: Session) -> None:
    before, after = (Piece.read(session.folder / name) for name in ("tune.mid", "longer.mid"))
    assert after.pitch[: before.num_notes].tolist() == before.pitch.tolist()
    assert after.num_notes > before.num_notes
    assert session.answers["continue"]["tunes"][0]["file"] == "longer.mid"
    assert session.answers["notes"]["tunes"][0]["bars"] == 1


def test_what_looks_at_a_tune_answers(session: Session) -> None:
    answers, folder = session.answers, session.folder
    assert (folder / answers["render"]["file"]).read_bytes()[:4] == b"RIFF"
    assert (folder / answers["score"]["files"][0]).read_text().startswith("X:1")
    assert answers["read"]["bars"] == 2 and answers["read"]["abc"].startswith("X:1")
    assert answers["originality"]["is_copy"] is False
    assert "fiddle" in [each["name"] for each in answers["models"]["models"]]
    assert answers["vary"]["tunes"][0]["notes"] > 0


def test_what_is_refused_is_a_sentence_of_the_library(session: Session) -> None:
    said = dict(zip(map(str, REFUSED), session.refusals))
    for (tool, given), sentence in zip(REFUSED, session.refusals):
        assert sentence and "\n" not in sentence and "fault of melody" not in sentence, (tool, given, sentence)
    for given in (REFUSED[0][1], REFUSED[1][1], REFUSED[2][1], REFUSED[3][1], REFUSED[4][1]):
        own = {name: value for name, value in given.items() if name != "model"}
        with pytest.raises(MelodyError) as refused:
            melody.load("fiddle").generate(**own)
        assert said[str(("generate", given))] == str(refused.value)


def test_no_file_outside_the_folder_is_read_or_written(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    for place in (tmp_path, outside):
        (place / "tune.mid").write_bytes(b"MThd")
    (folder / "link").symlink_to(outside)
    (folder / "link.mid").symlink_to(outside / "tune.mid")
    workspace, before = Workspace(folder), sorted(tmp_path.rglob("*"))
    for text in (*OUTSIDE, "link.mid"):
        name = text.format(outside=outside)
        with pytest.raises((ArgumentError, FileError)):
            workspace.existing(name, "tune")
        with pytest.raises((ArgumentError, FileError)):
            files.write_bytes(workspace.new(name, "made-up.mid", (".mid", "")), b"")
        with pytest.raises(MelodyError):
            workspace.model(name)
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(FileError, match="no folder"):
        Workspace(tmp_path / "none")


def test_a_call_that_takes_too_long_is_ended_and_the_next_one_is_answered(tmp_path: Path) -> None:
    import anyio
    from mcp.types import CallToolRequestParams

    from melody.along.assistants import server

    async def talk() -> list[Any]:
        answers = []
        for seconds in (0.01, 60):
            calls = server._Calls(tmp_path, seconds)
            answers.append(await calls.call(None, CallToolRequestParams(name="models", arguments={})))  # type: ignore[arg-type]
        return answers

    late, answered = anyio.run(talk)
    assert late.is_error and "took longer than 0.01 seconds" in late.content[0].text
    assert not answered.is_error and answered.structured_content["models"]
