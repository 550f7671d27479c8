"""Messages over a socket between two processes of one machine: a head in JSON, then pieces of bytes, all bounded.

A message is the length of its head (4 bytes, big endian), the head, and the pieces that it lists. A file descriptor may
come along with the first byte. Neither side believes the other: what is longer than it may be is an error.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from syncd.errors import SyncdError

HEAD = 2**20
"""Longest head of a message in bytes."""

_LENGTH = struct.Struct(">I")
_STEP = 2**18  # bytes read at a time


class GivenUp(SyncdError):
    """Somebody asked to stop while a document was read: nothing is known of it, and nothing is blamed on it."""

    code = "given-up"


class Broken(Exception):
    """The other side ended in the middle of a message, or sent none."""


Piece = bytes | bytearray


@dataclass(slots=True)
class Message:
    """What is asked, or answered.

    Args:
        head: small values that JSON knows.
        pieces: bytes.
        file: a file descriptor that came along; whoever has the message closes it.
    """

    head: dict[str, Any]
    pieces: Sequence[Piece] = ()
    file: int | None = None

    def take(self) -> Piece:
        """The first piece, which is not kept."""
        first, *self.pieces = self.pieces
        return first


def send(channel: socket.socket, message: Message) -> None:
    """Send a message; raises ``OSError``."""
    head = json.dumps({**message.head, "pieces": [len(piece) for piece in message.pieces]}).encode("ascii")
    begin = _LENGTH.pack(len(head)) + head
    if message.file is None:
        channel.sendall(begin)
    else:
        sent = socket.send_fds(channel, [begin], [message.file])
        channel.sendall(begin[sent:])
    for piece in message.pieces:
        channel.sendall(piece)


def receive(channel: socket.socket, most: int, *, files: bool = False) -> Message | None:
    """Return the next message, ``None`` at the end of all.

    Args:
        channel: the socket.
        most: bytes that its pieces have in all at most.
        files: a file may come along; without this the kernel closes what the other side sends unasked.

    Raises:
        Broken: it ends in the middle, is longer than it may be, or is none.
        OSError: the channel is broken, or its time is up.
    """
    file = None
    if files:
        begin, came, _, _ = socket.recv_fds(channel, _LENGTH.size, 1)
        file = came[0] if came else None
    else:
        begin = channel.recv(_LENGTH.size)
    try:
        if not begin:
            return None
        begin += _exactly(channel, _LENGTH.size - len(begin))
        (length,) = _LENGTH.unpack(begin)
        if length > HEAD:
            raise Broken("its head is too long")
        head, lengths = _head(_exactly(channel, length))
        if sum(lengths) > most:
            raise Broken("it is longer than it may be")
        pieces = [_exactly(channel, size) for size in lengths]
    except BaseException:
        if file is not None:
            os.close(file)
        raise
    return Message(head, pieces, file)


def _head(raw: Piece) -> tuple[dict[str, Any], list[int]]:
    try:
        head = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Broken("its head is none") from error
    lengths = head.pop("pieces", None) if isinstance(head, dict) else None
    if not isinstance(lengths, list) or not all(type(size) is int and size >= 0 for size in lengths):
        raise Broken("its head is none")
    return head, lengths


def _exactly(channel: socket.socket, size: int) -> bytearray:
    whole = bytearray(size)
    with memoryview(whole) as view:
        done = 0
        while done < size:
            got = channel.recv_into(view[done : done + _STEP])
            if not got:
                raise Broken("it ends in the middle")
            done += got
    return whole
