"""The door on a UDP port of this machine: datagrams in, datagrams out, by python-osc."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

from melody.along.osc.door import PREFIX, Door, Message
from melody.errors import MelodyError
from melody.extras import need
from melody.threads import one_thread

HERE = "127.0.0.1"  # nobody outside this machine
MOST_BYTES, MOST_MESSAGES = 4096, 64  # of a datagram


def serve(door: Door, port: int, ready: Callable[[int], None]) -> None:
    """Answer each datagram to whoever sent it, for ever.

    Parameters
    ----------
    door
        What answers.
    port
        Of UDP; 0 for any that is free.
    ready
        Is given the port once it is open.

    Raises
    ------
    MelodyError
        If the port cannot be opened.
    MissingError
        If python-osc is not installed.
    """
    need("the OSC door", "pythonosc")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, one_thread():
        try:
            own.bind((HERE, port))
        except (OSError, OverflowError) as error:
            raise MelodyError(f"UDP port {port} cannot be opened ({error}); take another one") from None
        ready(own.getsockname()[1])
        while True:
            with suppress(ConnectionError):  # on Windows, if whoever asked last is gone
                data, sender = own.recvfrom(MOST_BYTES + 1)
                for answer in answered(door, data):
                    with suppress(OSError):  # a sender whose port cannot be sent to
                        own.sendto(answer, sender)


def answered(door: Door, data: bytes) -> Iterator[bytes]:
    """The answers to a datagram, as datagrams; one that is no OSC is answered with a sentence."""
    if len(data) > MOST_BYTES:
        yield _packed(Message("error", (f"a datagram has more than {MOST_BYTES:,} bytes; send fewer messages at once",)))
        return
    messages = _read(data)
    if messages is None or len(messages) > MOST_MESSAGES:
        wrong = f"more than {MOST_MESSAGES} messages at once" if messages else "no OSC message"
        yield _packed(Message("error", (f"{wrong}; send one such as {PREFIX}query",)))
        return
    for message in messages:
        yield from map(_packed, door.answers(message))


def _read(data: bytes) -> list[Message] | None:
    """The messages of a datagram, those of a bundle in their order; None if it is no OSC."""
    from pythonosc.osc_packet import OscPacket

    try:
        found = [each.message for each in OscPacket(data).messages]
        return [Message(each.address.removeprefix(PREFIX), tuple(each.params)) for each in found] or None
    except Exception:  # what python-osc raises of damaged bytes is of many kinds: none of them is to end the door
        return None


def _packed(message: Message) -> bytes:
    from pythonosc.osc_message_builder import OscMessageBuilder

    builder = OscMessageBuilder(PREFIX + message.address)
    for value in message.values:
        builder.add_arg(value)
    packed: bytes = builder.build().dgram
    return packed
