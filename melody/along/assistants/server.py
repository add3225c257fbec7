"""The server: tools over standard input and output, by the reference SDK of the Model Context Protocol.

Each call runs in a process beside the server, which stays warm: one that is cancelled or takes too long is ended with its
process, and nothing of it is half-written. Nothing but the protocol reaches stdout: the SDK keeps it for itself, and what a
library prints goes to stderr.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melody.along.assistants.tools import TOOLS
from melody.arguments import shown
from melody.errors import MelodyError
from melody.extras import need

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

MOST_SECONDS = 300  # of one call
MOST_WAITING = 8  # calls at once, that which runs included
INSTRUCTIONS = (
    "melody writes music with small LSTM models that were trained on folders of tunes. Limits (key, range, chords, bars) "
    "hold for certain. Files are read and written in one folder only, and named relative to it; nothing is replaced. A call "
    "that is refused says what is legal: mend the argument and call again. Show the user the ABC notation or the file names."
)


def serve(folder: Path, seconds: float = MOST_SECONDS) -> None:
    """Answer an assistant on standard input and output until it goes.

    Parameters
    ----------
    folder
        The only one that is read and written.
    seconds
        What a call may take.

    Raises
    ------
    MissingError
        If the SDK is not installed.
    melody.files.FileError
        If there is no such folder.
    """
    need("an MCP server", "mcp")
    import anyio

    from melody.along.assistants.workspace import Workspace

    anyio.run(_serve, Workspace(folder).folder, seconds)


async def _serve(folder: Path, seconds: float) -> None:
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server

    from melody import __version__

    calls = _Calls(folder, seconds)
    server: Any = Server(
        "melody", version=__version__, instructions=INSTRUCTIONS, on_list_tools=_list, on_call_tool=calls.call
    )
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


async def _list(context: ServerRequestContext[Any], asked: PaginatedRequestParams | None) -> ListToolsResult:
    """All tools."""
    from mcp.types import ListToolsResult, Tool, ToolAnnotations

    return ListToolsResult(
        tools=[
            Tool(
                name=tool.name,
                description=tool.description,
                input_schema=tool.schema,
                annotations=ToolAnnotations(
                    read_only_hint=not tool.writes, destructive_hint=False, idempotent_hint=False, open_world_hint=False
                ),
            )
            for tool in TOOLS.values()
        ]
    )


class _Calls:
    """Calls of tools, one after the other, each in a process that ends if it is cancelled."""

    def __init__(self, folder: Path, seconds: float) -> None:
        from anyio import CapacityLimiter

        self._folder, self._seconds, self._one = folder, seconds, CapacityLimiter(1)
        self._waiting = 0

    async def call(self, context: ServerRequestContext[Any], asked: CallToolRequestParams) -> CallToolResult:
        """Do what is asked; a refusal is a sentence, marked as an error."""
        if asked.name not in TOOLS:
            return _refusal(f"there is no tool {shown(asked.name)}; there are {', '.join(TOOLS)}")
        if self._waiting >= MOST_WAITING:
            return _refusal(f"{self._waiting} calls are waiting already; wait for an answer, then call again")
        self._waiting += 1
        try:
            return await self._done(asked.name, asked.arguments or {})
        finally:
            self._waiting -= 1

    async def _done(self, name: str, given: dict[str, Any]) -> CallToolResult:
        from anyio import BrokenWorkerProcess, fail_after, to_process
        from mcp.types import CallToolResult, TextContent

        async with self._one:
            try:
                with fail_after(self._seconds):
                    answer, refused = await to_process.run_sync(call_tool, name, self._folder, given, cancellable=True)
            except TimeoutError:
                return _refusal(f"{name} took longer than {self._seconds:g} seconds and was ended; ask for less")
            except BrokenWorkerProcess:
                return _refusal(f"{name} came to no end, perhaps for lack of memory; ask for less")
        if refused:
            return _refusal(refused)
        text = json.dumps(answer, ensure_ascii=False, indent=1)
        return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=answer)


def call_tool(name: str, folder: Path, given: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The answer of a tool, or the sentence that refuses; what is neither is a fault of ours, reported on stderr."""
    try:
        return TOOLS[name].call(folder, given), ""
    except MelodyError as error:
        return {}, str(error)
    except MemoryError:
        return {}, "there is not enough memory for this; ask for less"
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return {}, f"a fault of melody, please report it: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _refusal(sentence: str) -> CallToolResult:
    from mcp.types import CallToolResult, TextContent

    return CallToolResult(content=[TextContent(type="text", text=sentence)], is_error=True)
