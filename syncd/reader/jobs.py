"""What a child can be asked for: each job takes a message and gives one, and imports what it needs when it runs.

A job is also carried out in place where nobody asks for protection (``asking.Here``), so nothing in here knows of
processes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import IO, Any

from syncd.models import Format
from syncd.reader.wire import Message


def carry_out(message: Message) -> Message:
    """Do what a message asks for; whatever it raises is the document's fault."""
    try:
        return JOBS[message.head["job"]](message)
    finally:
        if message.file is not None:
            os.close(message.file)


def packed(text: str) -> bytes:
    """A text as bytes; what is no character (a lone surrogate) comes out as U+FFFD, as FastGPT stores it."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8")


def _office(message: Message) -> Message:
    """The text of an office document or a PDF: a piece, or the file that came along."""
    from syncd.extract import office_text

    source: IO[bytes]
    if message.file is not None and message.head["sha256"] not in ("", _hash(message.file)):
        return Message({"changed": True})
    with io.BytesIO(message.take()) if message.file is None else os.fdopen(os.dup(message.file), "rb") as source:
        read = office_text(source, Format(message.head["format"]), message.head["limit"])
    return _reading(read.text, read.weak, read.remark)


def _hash(file: int) -> str:
    """The hash of a file from its beginning; it stands there again afterwards."""
    digest = hashlib.sha256()
    for _ in _hashed(file, digest):
        pass
    os.lseek(file, 0, os.SEEK_SET)
    return digest.hexdigest()


def _hashed(file: int, digest: hashlib._Hash) -> Iterator[bytes]:
    """The blocks of a file from its beginning, hashed on the way; no more than its size says, however it grows."""
    os.lseek(file, 0, os.SEEK_SET)
    left = os.fstat(file).st_size
    while left > 0 and (block := os.read(file, min(left, 2**18))):
        digest.update(block)
        left -= len(block)
        yield block


def _reading(text: str | None, weak: str, remark: str = "") -> Message:
    return Message({"weak": weak, "remark": remark}, () if text is None else (packed(text),))


def _shown(message: Message) -> Message:
    """The text of a page or of a table as FastGPT shows it."""
    from syncd.shown import shown

    return _reading(*shown(message.take().decode("utf-8"), Format(message.head["format"])))


def _examine(message: Message) -> Message:
    """Compare a text, a piece or that of the file that came along, with the server's chunks."""
    from syncd.compare import examine
    from syncd.shown import shown

    head, fmt = message.head, Format(message.head["format"])
    chunks = json.loads(message.take())
    if message.file is None:
        text: str | None = message.take().decode("utf-8")
    else:
        text = decode(message.file, head)
        if text is None:
            return Message({"changed": True})
        text = shown(text, fmt)[0]
    if text is None:
        return Message({"found": {"difference": None, "weak": "no text is to be seen in it", "remark": ""}})
    return Message({"found": asdict(examine(text, chunks, fmt, partial=head["partial"]))})


def decode(file: int, head: dict[str, Any]) -> str | None:
    """The text of a file; ``None`` when it is not the file that it should be."""
    from syncd.stream import TextPlan, decoded

    digest = hashlib.sha256()
    plan = TextPlan(head["codec"], head["skip"], head["restate"])
    try:
        text = "".join(text for text, _ in decoded(_hashed(file, digest), plan))
    except UnicodeError:
        return None
    return text if digest.hexdigest() == head["sha256"] else None


def _questions(message: Message) -> Message:
    """Golden questions, of a document's front matter or of a file of them, and what is wrong with others."""
    from syncd import questions

    path, name, data = message.head["path"], message.head["name"], bytes(message.take())
    found, problems = questions.of_file(data, path, name) if name else questions.of_text(data.decode("utf-8"), path)
    answer = {"questions": [asdict(question) for question in found], "problems": problems}
    return Message({}, (json.dumps(answer).encode("ascii"),))


JOBS: dict[str, Callable[[Message], Message]] = {
    "office": _office,
    "shown": _shown,
    "examine": _examine,
    "questions": _questions,
}
"""The jobs by name."""
