"""Reports and the display of a running pass, without a process."""

from __future__ import annotations

import io
import json

import pytest

from syncd import live
from syncd.models import DocumentKey, Waiting
from syncd.passing import Outcome
from syncd.progress import Progress
from syncd.report import Column, Finding, Level, Lines, Report, Table, human, jsontext, markdown, passes, terminal, text

PLAIN = terminal.Look(live=False, rich=False, colour=False)
COLOURED = terminal.Look(live=True, rich=True, colour=True)
TABLE = Table((Column("path"), Column("n", right=True)), (("手册.md", "1"), ("e\u0301.md", "22")))


def test_plain_tables_align_wide_and_combining_characters() -> None:
    """A Chinese character takes two columns, a combining mark none."""
    assert text.render(Report("x", {}, (TABLE,)), PLAIN) == "path      n\n手册.md   1\ne\u0301.md     22\n"


def test_findings_stand_together() -> None:
    """Findings form a block; the remedy is below its finding."""
    report = Report(
        "x", {}, (Finding(Level.ERROR, "held", "why\nso", "do this"), Finding(Level.OK, "ok", "b"), Lines(("end",)))
    )

    assert text.render(report, PLAIN) == "held         why so\n             -> do this\nok           b\n\nend\n"


def test_no_cell_can_steer_the_terminal() -> None:
    """Escape sequences, line breaks and bytes that are no text are shown, not obeyed."""
    assert human.one_line("a\x1b[31m\n b\udcff") == "a\\x1b[31m b\\udcff"


def test_drawn_tables_are_coloured_only_where_wanted() -> None:
    """Colours follow the look of the stream."""
    table = Table((Column("state", toned=True),), (("verified",),))

    assert "\x1b[32m" in text.render(Report("x", {}, (table,)), COLOURED)
    assert "\x1b" not in text.render(Report("x", {}, (table,)), terminal.Look(live=True, rich=True, colour=False))


def test_markdown_escapes_what_names_may_hold() -> None:
    """A name is a name, whatever characters it has."""
    table = Table((Column("p"),), (("a|b_c*<d>",),))

    assert markdown.render(Report("x", {}, (table,))) == "| p |\n|---|\n| a\\|b\\_c\\*\\<d\\> |\n"


def test_json_holds_names_that_are_no_text() -> None:
    """A lone surrogate is escaped, everything else stays readable; an ASCII stream gets ASCII."""
    assert jsontext.render({"p": "册"}, indent=False) == '{"p": "册"}\n'
    odd = {"p": "册\udcff"}
    assert odd == json.loads(jsontext.render(odd, indent=False).encode())
    assert jsontext.render({"p": "册"}, indent=False, encoding="ascii").isascii()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "env", "expected"),
    [
        (io.StringIO(), {}, (False, False, False)),
        (io.StringIO(), {"FORCE_COLOR": "1"}, (False, True, True)),
        (_Terminal(), {}, (True, True, True)),
        (_Terminal(), {"NO_COLOR": "1"}, (True, True, False)),
        (_Terminal(), {"TERM": "dumb"}, (False, False, False)),
    ],
)
def test_the_look_of_a_stream(stream: io.StringIO, env: dict[str, str], expected: tuple[bool, bool, bool]) -> None:
    """NO_COLOR, FORCE_COLOR and TERM=dumb mean what they mean elsewhere."""
    look = terminal.look(stream, env)

    assert expected == (look.live, look.rich, look.colour)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.04, "0.0 s"), (9.4, "9.4 s"), (59.6, "1 min"), (65, "1 min 5 s"), (3600, "1 h"), (90061, "1 d 1 h")],
)
def test_lengths_of_time(seconds: float, expected: str) -> None:
    """Two figures that matter."""
    assert expected == human.lasting(seconds)


def test_plain_lines_speak_up_after_ten_seconds() -> None:
    """A long wait is told, and so is the server's trouble, once each."""
    now = [0.0]
    written: list[str] = []
    progress = Progress(phase="working", documents_total=3, documents_done=1)
    lines = live.Lines(progress, written.append, clock=lambda: now[0])

    lines.event("uploaded", DocumentKey("docs", "a.md"), "")
    now[0] = 9.0
    lines.tick()
    now[0] = 10.5
    lines.tick()
    progress.trouble = "refused"
    lines.tick()
    lines.tick()
    progress.trouble = ""
    lines.tick()

    assert written == [
        "uploaded     docs/a.md\n",
        "...          working, 1 of 3 documents done\n",
        "server       refused; trying on\n",
        "server       works again\n",
    ]


def test_the_telling_line_of_a_passage() -> None:
    """The line that shares most with the question is shown."""
    passage = "\ufeff# Holidays\n\nEveryone has thirty days.\nThey end in March.\n"

    assert human.telling_line(passage, "how many days has everyone?") == "Everyone has thirty days."


def test_a_failing_document_is_named_once() -> None:
    """Whatever waits and fails stands among what failed, with its remedy; what only waits stands below."""
    failing, waiting = DocumentKey("docs", "a.md"), DocumentKey("docs", "b.md")
    outcome = Outcome(
        counts={},
        codes={3},
        holds=[],
        waiting=[Waiting(failing, "broken"), Waiting(waiting, "still being written")],
        troubles={},
        unproven={},
        timings={"scan": 0.0, "total": 1.0},
    )
    row = {"source": "docs", "path": "a.md", "state": "uploading", "code": "upload-failed", "message": "broken"}
    found = passes.report(outcome, passes.Remarks(Progress()), [row], startup=0.0, exit_code=3)
    shown = text.render(found, PLAIN)
    assert (shown.count("docs/a.md"), shown.count("docs/b.md")) == (1, 1)
    assert "failing      docs/a.md: upload-failed: broken" in shown
    assert [one["path"] for one in found.document["waiting"]] == ["a.md", "b.md"]  # the JSON has all
