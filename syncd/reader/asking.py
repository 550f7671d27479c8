"""The questions that are asked of a reader, with their types, and what is said where there is no answer."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from syncd import door
from syncd.compare import Comparison, Difference
from syncd.door import FileAt
from syncd.golden import Question
from syncd.logs import get_logger
from syncd.models import Format
from syncd.reader import jobs
from syncd.reader.pool import SMALL, Children
from syncd.reader.wire import Message
from syncd.stream import TextPlan, changed

log = get_logger(__name__)

Asked = tuple[list[Question], list[str]]
"""Golden questions, and what is wrong with others."""

LIMIT = 4 * 2**20
"""Bytes of a document's text that are read at most."""

_LONG_ENOUGH = 5.0  # seconds for a page or a table of a few megabytes; readers of office formats may take longer

_FAILED = "its reader failed"  # what it answers is no answer
_WORDS = {
    "time": "it takes too long",
    "memory": "it takes too much memory",
    "death": "its reader died",
    "start": "no reader can be started",
}


class Read(NamedTuple):
    """What was read of a document."""

    text: str | None
    weak: str = ""  # why the text is missing or only partial, else ""
    remark: str = ""  # what FastGPT does not take over, counted


@dataclass(frozen=True, slots=True)
class Task:
    """A document whose text is still to be read.

    Args:
        fmt: decides by which parser.
        content: the bytes of the file; of HTML and CSV its text in UTF-8. Empty when ``disk`` names it.
        disk: a file that is too large to be held.
        sha256: of what that file must hold; "" for whatever is there.
    """

    fmt: Format
    content: bytes = b""
    disk: FileAt | None = None
    sha256: str = ""

    def question(self) -> Message:
        """What a reader is asked; raises ``OSError``."""
        head: dict[str, Any] = {"job": "office", "format": self.fmt.value, "limit": LIMIT}
        if self.fmt in (Format.HTML, Format.CSV):
            head |= {"job": "shown", "seconds": _LONG_ENOUGH}
        if self.disk is None:
            return Message(head, (self.content,))
        return Message({**head, "sha256": self.sha256}, (), door.open_file(self.disk))


Lane = Literal["any", "quick", "patient"]


class Reader(Protocol):
    """Whoever answers questions about documents."""

    async def ask(self, make: Callable[[], Message], *, lane: Lane = "any") -> Message:
        """Return the answer to what ``make`` makes (in a thread), or a head with a ``trouble``.

        Args:
            make: makes the question.
            lane: which child is asked: the ``quick`` one alone, the ``patient`` one alone, or ``any``, one after the
                other.

        Raises:
            GivenUp: somebody asked to stop.
            OSError: the file cannot be opened.
        """

    def give_up(self) -> None:
        """Answer nothing any more, at once."""

    def close(self) -> None:
        """The same, and leave no process behind."""


class Here:
    """Reads in this very process, without protection: for documents of one's own."""

    async def ask(self, make: Callable[[], Message], *, lane: Lane = "any") -> Message:
        """See ``Reader``."""
        return here(make())

    def give_up(self) -> None:
        """See ``Reader``."""

    def close(self) -> None:
        """See ``Reader``."""


def here(question: Message) -> Message:
    """Carry out a job in this process."""
    try:
        return jobs.carry_out(question)
    except Exception as error:
        return Message({"trouble": "fault", "fault": f"{type(error).__name__}: {error}"[:200]})


class Readers:
    """Reads in child processes.

    Args:
        children: the processes.
        run: runs blocking work elsewhere; two works at a time at most are given to it.
    """

    def __init__(
        self, children: Children | None = None, run: Callable[..., Awaitable[Any]] = asyncio.to_thread
    ) -> None:
        self.children = children or Children()
        self._run = run
        self._quick, self._patient = asyncio.Semaphore(1), asyncio.Semaphore(1)

    async def ask(self, make: Callable[[], Message], *, lane: Lane = "any") -> Message:
        """See ``Reader``."""
        answer = Message({})
        if lane != "patient":
            async with self._quick:
                answer = await self._run(_asked, self.children.quick.ask, make)
        if lane == "patient" or (lane == "any" and answer.head.get("trouble") in ("time", "memory")):
            async with self._patient:
                answer = await self._run(_asked, self.children.patient.ask, make)
        trouble = answer.head.get("trouble")
        if trouble not in (None, "fault"):
            log.warning("reader.trouble", trouble=trouble, fault=answer.head.get("fault", ""))
        return answer

    def give_up(self) -> None:
        """See ``Reader``."""
        self.children.give_up()

    def close(self) -> None:
        """See ``Reader``."""
        self.children.close()


def _asked(ask: Callable[[Message], Message], make: Callable[[], Message]) -> Message:
    question = make()
    try:
        return ask(question)
    finally:
        if question.file is not None:
            os.close(question.file)


# ---------------------------------------------------------------- what is asked


async def read(reader: Reader, task: Task) -> Read:
    """Return the text of a document; raises ``OSError`` when its file cannot be opened, or is another one by now."""
    large = task.disk is not None or len(task.content) > SMALL
    answer = await reader.ask(task.question, lane="patient" if large else "any")
    if answer.head.get("changed"):
        raise OSError(errno.ESTALE, "it has changed meanwhile")
    return _read(answer)


def text_of(task: Task) -> Read:
    """The same in this process, for documents of one's own."""
    return _read(here(task.question()))


def _read(answer: Message) -> Read:
    trouble = _trouble(answer)
    if trouble:
        return Read(None, f"its text cannot be read here ({trouble})")
    try:
        text = answer.pieces[0].decode("utf-8") if answer.pieces else None
        return Read(text, str(answer.head["weak"]), str(answer.head["remark"]))
    except (KeyError, UnicodeError):
        return Read(None, f"its text cannot be read here ({_FAILED})")


def _trouble(answer: Message) -> str:
    """Why there is no answer, in words; "" when there is one."""
    trouble = answer.head.get("trouble")
    return "" if trouble is None else _WORDS.get(trouble) or str(answer.head.get("fault", _FAILED))


@dataclass(frozen=True, slots=True)
class Whole:
    """A text file that is too large to be held, read anew by the child when it is compared.

    Args:
        disk: the file.
        plan: how it is decoded.
        sha256: of its bytes.
        path: the document's path.
    """

    disk: FileAt
    plan: TextPlan
    sha256: str
    path: str

    def head(self) -> dict[str, Any]:
        """What a child has to know to decode it."""
        plan = self.plan
        return {"codec": plan.codec, "skip": plan.skip, "restate": plan.restate, "sha256": self.sha256}


async def examine(
    reader: Reader, text: str | Whole, chunks: Sequence[str], fmt: Format, *, partial: bool = False
) -> Comparison:
    """Compare a text with the server's chunks (see ``compare.examine``); weak when that takes too much.

    Raises:
        ChangedWhileReading: a large text is not what it was.
        OSError: its file cannot be read any more.
    """

    def make() -> Message:
        head: dict[str, Any] = {"job": "examine", "format": fmt.value, "partial": partial}
        listed = json.dumps(list(chunks), ensure_ascii=False).encode("utf-8", "surrogatepass")
        if isinstance(text, str):
            return Message(head, (listed, text.encode("utf-8", "replace")))
        return Message(head | text.head(), (listed,), door.open_file(text.disk))

    large = isinstance(text, Whole) or len(text) > SMALL // 4
    answer = await reader.ask(make, lane="patient" if large else "any")
    if answer.head.get("changed") and isinstance(text, Whole):
        raise changed(text.path)
    trouble = _trouble(answer)
    if not trouble:
        try:
            found = answer.head["found"]
            difference = None if found["difference"] is None else Difference(**found["difference"])
            return Comparison(difference, str(found["weak"]), str(found["remark"]))
        except (KeyError, TypeError):
            trouble = _FAILED
    return Comparison(None, f"it could not be compared with the server's ({trouble})")


async def questions(reader: Reader, text: str, path: str) -> Asked:
    """Return the golden questions in the front matter of the document at ``path``."""
    from syncd.matter import FRONT_LIMIT, may_have

    if not may_have(text):
        return [], []
    head = text[: FRONT_LIMIT + 1]  # one character more, so that what is too long is seen to be
    return await _questions(reader, {"path": path, "name": ""}, head.encode("utf-8", "replace"))


async def question_file(reader: Reader, data: bytes, path: str, name: str) -> Asked:
    """Return the golden questions in the file ``name`` with the content ``data``, beside the document at ``path``."""
    return await _questions(reader, {"path": path, "name": name}, data)


async def _questions(reader: Reader, head: dict[str, Any], data: bytes) -> Asked:
    answer = await reader.ask(lambda: Message({"job": "questions", **head}, (data,)), lane="quick")
    trouble = _trouble(answer)
    if not trouble:
        try:
            found = json.loads(answer.pieces[0])
            return [Question.of(each) for each in found["questions"]], list(map(str, found["problems"]))
        except (IndexError, KeyError, TypeError, ValueError, RecursionError):
            trouble = _FAILED
    return [], [f"{head['name'] or head['path']}: its questions cannot be read ({trouble})"]
