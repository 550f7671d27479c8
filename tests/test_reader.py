"""The processes that read documents: they may die, take too long or too much, and nobody else is hurt."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hostile
import pytest

from syncd.door import FileAt
from syncd.formats import format_of
from syncd.golden import Question
from syncd.models import Format
from syncd.reader import asking
from syncd.reader.asking import Lane, Read, Readers, Task
from syncd.reader.pool import Child, Children, Limits
from syncd.reader.wire import HEAD, Broken, GivenUp, Message, receive, send

FAST = Limits(0.5, 64 * hostile.MIB)
PAGE = Message({"job": "shown", "format": "html"}, (b"<p>hello</p>",))
STUCK = Message({"job": "shown", "format": "html"}, (hostile.unclosed_quotes(),))


@pytest.fixture
def child() -> Iterator[Child]:
    """A child that would take an hour for a document."""
    made = Child(Limits(3600.0, 64 * hostile.MIB))
    yield made
    made.close()


@pytest.fixture
def children() -> Iterator[Children]:
    """Children of little patience."""
    made = Children(FAST, Limits(1.0, 96 * hostile.MIB))
    yield made
    made.close()


def gone(pid: int) -> bool:
    """Whether a process has ended within ten seconds; one that is not seen off counts."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def busy(child: Child, question: Message = STUCK) -> tuple[threading.Thread, list[object]]:
    """Somebody who asks in a thread what takes long, and what comes of it."""
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(child.ask(question))
        except GivenUp as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    for _ in range(1000):
        pid = child.pid
        if pid is not None and _cpu(pid) > 0.3:  # it is past its start, and at work
            break
        time.sleep(0.01)
    return thread, found


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_one_process_reads_one_document_after_the_other(child: Child) -> None:
    """It is started when there is something to read, and not for each document."""
    assert child.pid is None
    assert [b"hello"] == list(child.ask(PAGE).pieces)
    assert [b"hello"] == list(child.ask(PAGE).pieces)
    assert 1 == child.started


def test_what_takes_too_long_is_ended_and_the_next_one_is_read() -> None:
    """A document past its time costs its process, and nobody else anything."""
    child = Child(FAST)
    try:
        assert {"trouble": "time", "fault": ""} == child.ask(STUCK).head
        assert [b"hello"] == list(child.ask(PAGE).pieces)
        assert 2 == child.started
    finally:
        child.close()


def test_what_takes_too_much_memory_is_said_to() -> None:
    """Memory is bounded by the kernel, and a process that has met the bound reads nothing more."""
    child = Child(Limits(20.0, 48 * hostile.MIB))
    try:
        raw = hostile.ascii85()
        question = Message({"job": "office", "format": "pdf", "limit": 1000}, (raw,))
        assert "memory" == child.ask(question).head["trouble"]
        assert child.pid is None
        assert [b"hello"] == list(child.ask(PAGE).pieces)
    finally:
        child.close()


def test_a_question_that_is_too_large_is_too_much_memory() -> None:
    """It need not be understood for that."""
    child = Child(Limits(20.0, 32 * hostile.MIB))
    try:
        question = Message({"job": "office", "format": "pdf", "limit": 1000}, (bytes(50 * hostile.MIB),))
        assert "memory" == child.ask(question).head["trouble"]
    finally:
        child.close()


def test_a_process_that_somebody_ends_is_not_the_document_s_fault(child: Child) -> None:
    """Killed from outside while it waits or reads, it is replaced, and the document is read anew."""
    child.ask(PAGE)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    assert gone(child.pid)
    assert [b"hello"] == list(child.ask(PAGE).pieces)
    thread, found = busy(child)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGTERM)
    for _ in range(1000):
        if child.pid not in (None, first):
            break
        time.sleep(0.01)
    assert 3 == child.started
    child.give_up()
    thread.join(10)
    assert [GivenUp] == [type(each) for each in found]


def test_giving_up_ends_what_hangs_at_once(child: Child) -> None:
    """Whoever waits hears of it, no process is left, and nothing is read any more."""
    thread, found = busy(child)
    pid = child.pid
    assert pid is not None
    began = time.monotonic()
    child.give_up()
    thread.join(10)
    assert time.monotonic() - began < 5
    assert [GivenUp] == [type(each) for each in found]
    assert gone(pid)
    with pytest.raises(GivenUp):
        child.ask(PAGE)


def test_it_ends_when_there_is_nothing_to_do() -> None:
    """A service at rest has no reader."""
    child = Child(FAST, idle=0.05)
    child.ask(PAGE)
    pid = child.pid
    assert pid is None or gone(pid)
    for _ in range(500):
        if child.pid is None:
            break
        time.sleep(0.01)
    assert child.pid is None
    assert [b"hello"] == list(child.ask(PAGE).pieces)
    child.close()


PARENT = """
import sys, threading
sys.path.insert(0, {tests!r})
import hostile
from syncd.reader.pool import Child, Limits
from syncd.reader.wire import Message
child = Child(Limits(3600.0, 2**26))
threading.Thread(target=child.ask, args=(Message({{"job": "shown", "format": "html"}}, (hostile.unclosed_quotes(),)),)).start()
while child.pid is None: pass
print(child.pid, flush=True)
threading.Event().wait()
"""  # noqa: E501


def test_a_reader_dies_with_its_service() -> None:
    """The kernel ends it, in the middle of a loop, when whoever asked is killed."""
    script = PARENT.format(tests=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        for _ in range(1000):
            if _cpu(pid) > 0.3:
                break
            time.sleep(0.01)
        parent.kill()
    assert gone(pid)


def test_a_reader_knows_no_secrets_and_holds_no_files(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    """It inherits no descriptor but the one it is asked by, and of the environment only where Python is."""
    monkeypatch.setenv("SYNCD_API_KEY", "fastgpt-canary")
    kept = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(kept, True)
    try:
        child.ask(PAGE)
        files = sorted(os.listdir(f"/proc/{child.pid}/fd"))
        environment = Path(f"/proc/{child.pid}/environ").read_bytes()
        limits = Path(f"/proc/{child.pid}/limits").read_text()
    finally:
        os.close(kept)
    assert ["0", "1", "2"] == files
    assert b"canary" not in environment
    for limit in ("Max core file size", "Max file size"):
        assert limit in limits
        assert "0 " in limits.split(limit)[1].split("\n")[0]


def test_modules_in_the_working_directory_are_not_taken_for_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: Child
) -> None:
    """A service that is started in a folder of documents does not run what lies there."""
    (tmp_path / "zipfile.py").write_text("raise SystemExit('taken')")
    (tmp_path / "html.py").write_text("raise SystemExit('taken')")
    monkeypatch.chdir(tmp_path)
    assert [b"hello"] == list(child.ask(PAGE).pieces)


def test_the_program_is_found_where_it_was_loaded_from(tmp_path: Path) -> None:
    """Whoever starts it may have put it on the path in any way; a reader is of the same program."""
    script = (
        f"import sys; sys.path[1:1] = {[p for p in sys.path if p]!r}\n"
        "from syncd.reader.pool import Child, Limits\nfrom syncd.reader.wire import Message\n"
        "child = Child(Limits(5.0, 2**26))\n"
        "print(bytes(child.ask(Message({'job': 'shown', 'format': 'html'}, (b'<p>hello</p>',))).pieces[0]))\n"
        "child.close()\n"
    )
    command = [sys.executable, "-I", "-S", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60)
    assert ("b'hello'\n", 0) == (done.stdout, done.returncode), done.stderr


def test_what_somebody_else_cannot_read_is_handed_over(tmp_path: Path, children: Children) -> None:
    """A large file is read by its descriptor; one that is not there any more is the disk's trouble."""
    file = tmp_path / "a.docx"
    file.write_bytes(hostile.many_paragraphs())
    readers = Readers(children)
    found = asyncio.run(asking.read(readers, Task(Format.DOCX, disk=FileAt.of(file))))
    assert found.text is None or found.text.startswith("All work")
    with pytest.raises(FileNotFoundError):
        asyncio.run(asking.read(Readers(children), Task(Format.DOCX, disk=FileAt.of(tmp_path / "gone"))))


def test_a_large_file_is_read_only_if_it_is_the_one_that_was_planned(tmp_path: Path, children: Children) -> None:
    """Its hash is taken from the very file that is read; another one in its place is the disk's trouble."""
    file = tmp_path / "a.docx"
    raw = hostile.many_paragraphs()
    file.write_bytes(raw)
    at, readers = FileAt.of(file), Readers(children)
    found = asyncio.run(asking.read(readers, Task(Format.DOCX, disk=at, sha256=hashlib.sha256(raw).hexdigest())))
    assert (found.text or "").startswith("All work") or "takes too" in found.weak
    with pytest.raises(OSError, match="it has changed meanwhile"):
        asyncio.run(asking.read(Readers(children), Task(Format.DOCX, disk=at, sha256="0" * 64)))


def test_what_is_quick_does_not_wait_for_what_takes_long(children: Children) -> None:
    """A document that was too much for the quick child holds up only its like."""
    readers = Readers(children)

    async def both() -> list[str]:
        order: list[str] = []

        async def one(name: str, task: Task) -> None:
            read = await asking.read(readers, task)
            order.append(f"{name}: {read.text or read.weak}")

        await asyncio.gather(
            one("stuck", Task(Format.HTML, hostile.unclosed_quotes())),
            *(one(str(number), Task(Format.HTML, b"<p>hello</p>")) for number in range(3)),
        )
        return order

    stuck = "stuck: its text cannot be read here (it takes too long)"
    assert ["0: hello", "1: hello", "2: hello", stuck] == asyncio.run(both())


def test_a_comparison_that_takes_too_much_is_weak(children: Children) -> None:
    """What cannot be judged is weak, never a difference."""
    text = "".join(f"{number}\n" for number in range(600_000))
    found = asyncio.run(asking.examine(Readers(children), text, [text], Format.TEXT))
    assert found.difference is None
    assert found.weak.startswith("it could not be compared with the server's (it takes too ")


def test_a_reader_that_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else stops for it."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    children = Children(FAST, FAST)
    assert Read(None, "its text cannot be read here (no reader can be started)") == asyncio.run(
        asking.read(Readers(children), Task(Format.HTML, b"<p>hello</p>"))
    )
    children.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\2{}",
        b"\0\0\0\2[]",
        b"\0\0\0\5xxxxx",
        b"\0\0\0\x0e" + b'{"pieces":[-1]',
        b"\0\0\0\x10" + b'{"pieces":[1.5]}',
        b"\0\0\0\x11" + b'{"pieces":[1000]}',
        b"\0\0\0\x0e" + b'{"pieces":[5]}ab',
        b"\0\0",
        (HEAD + 1).to_bytes(4, "big"),
        b"\0\0\x20\0" + b"[" * 8192,
    ],
)
def test_a_message_that_is_none_is_an_error(raw: bytes) -> None:
    """Whatever comes out of a child that lost its mind, nothing is read that is longer than it may be."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(raw)
        theirs.close()
        with pytest.raises(Broken):
            receive(ours, 100)


def test_messages_arrive_as_they_were_sent() -> None:
    """Head, pieces and descriptor."""
    ours, theirs = socket.socketpair()
    with ours, theirs, open("/dev/null", "rb") as file:
        send(ours, Message({"a": "\ud800泵"}, (b"", b"xy"), file.fileno()))
        found = receive(theirs, 2, files=True)
        assert found is not None and found.file is not None
        os.close(found.file)
        assert ({"a": "\ud800泵"}, [b"", b"xy"]) == (found.head, list(found.pieces))
        ours.close()
        assert receive(theirs, 2) is None


def test_a_file_that_nobody_asked_for_is_not_kept() -> None:
    """A reader that was taken over cannot fill up the service's table of files with its answers."""
    ours, theirs = socket.socketpair()
    with ours, theirs, open("/dev/null", "rb") as file:
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            send(theirs, Message({}, (), file.fileno()))
            assert receive(ours, 2) == Message({}, [])
        assert before == os.listdir("/proc/self/fd")


def test_the_questions_of_a_front_matter_come_over(children: Children) -> None:
    """With what is wrong; what is built to hurt has none, and is named."""
    readers = Readers(children)
    text = "---\nquestions:\n- how?\n- {text: why, must_rank: 3, must_not: b.md, answer_contains: [a, b]}\n---\nbody"
    text = text.replace("- {", "- 7\n- {")
    assert (
        [Question("a.md", "how?"), Question("a.md", "why", 3, ("b.md",), ("a", "b"))],
        ["a.md:4: question 2 must be a text, or a table with a text"],
    ) == asyncio.run(asking.questions(readers, text, "a.md"))
    assert ([], []) == asyncio.run(asking.questions(Readers(children), "no front matter", "a.md"))
    for make in (hostile.deep_front_matter, hostile.dotted_front_matter):
        found, problems = asyncio.run(asking.questions(Readers(children), make().decode(), "a.md"))
        assert ([], True) == (found, len(problems) <= 1), problems


class Babbling(Readers):
    """Readers that give the same answer to every question."""

    def __init__(self, answer: Message) -> None:
        super().__init__()
        self.answer = answer

    async def ask(self, make: Callable[[], Message], *, lane: Lane = "any") -> Message:
        """See ``Reader``."""
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        Message({}),
        Message({"found": None}, (b"",)),
        Message({"found": {"difference": {"kind": "x"}, "weak": "", "remark": ""}}, (b'{"questions": [{}]}',)),
        Message({"found": {"difference": None}}, (b"[" * 100_000,)),
    ],
)
def test_what_is_no_answer_counts_as_none(answer: Message) -> None:
    """A reader that a document has taken over can say anything: that document's proof is weak, and nothing ends."""
    readers = Babbling(answer)
    failed = "(its reader failed)"
    assert asyncio.run(asking.read(readers, Task(Format.HTML, b"<p>x"))).weak.endswith(failed)
    assert asyncio.run(asking.examine(readers, "a text", ["a text"], Format.TEXT)).weak.endswith(failed)
    ((), (problem,)) = asyncio.run(asking.questions(readers, "---\na: 1\n---\n", "a.md"))
    assert problem.endswith(failed)


@pytest.mark.parametrize("name", ["entities.docx", "large_dimension.xlsx", "nested_arrays.pdf", "loop_of_objects.pdf"])
def test_what_is_refused_leaves_the_reader_alive(children: Children, name: str) -> None:
    """A document that is only wrong costs no process."""
    fmt = format_of(name)
    assert fmt is not None
    raw = hostile.PARSED[name]()
    found = asyncio.run(asking.read(Readers(children), Task(fmt, raw)))
    assert found.text is not None or found.weak
    assert [b"hello"] == list(children.quick.ask(PAGE).pieces)
    assert 1 == children.quick.started


UNCONFINED = """
import resource
def forbidden(*_): raise ValueError("not allowed to raise maximum limit")
resource.setrlimit = forbidden
from syncd.reader import child
child.main(20.0, 2**30)
"""


class Unconfined(Child):
    """A child that cannot set itself any limit."""

    def command(self) -> list[str]:
        """See ``Child``."""
        return [sys.executable, "-c", UNCONFINED]


def test_memory_is_bounded_where_no_limit_can_be_set() -> None:
    """A filter of system calls may forbid limits; then whoever asks ends what takes too much, and all else is read."""
    child = Unconfined(Limits(20.0, 32 * hostile.MIB))
    try:
        assert [b"hello"] == list(child.ask(PAGE).pieces)
        question = Message({"job": "office", "format": "pdf", "limit": 1000}, (hostile.ascii85(),))
        assert "memory" == child.ask(question).head["trouble"]
        assert [b"hello"] == list(child.ask(PAGE).pieces)
    finally:
        child.close()
