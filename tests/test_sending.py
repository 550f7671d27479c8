"""How text is sent, and who would gain from being sent again (retrieval.md R1 and R3)."""

from __future__ import annotations

import pytest

from syncd.models import Format, Training
from syncd.sending import LOSES_HEADINGS, LOSES_TITLE, WAY, head_of, loses_title, may_gain

LONG = "words of a paragraph. " * 60
IMPLIED = Training("chunk", (("chunkSettingMode", "custom"), ("chunkSize", 600)), (("chunkSplitMode", "paragraph"),))


@pytest.mark.parametrize("fmt", list(Format))
def test_a_line_end_keeps_the_mark_from_the_title(fmt: Format) -> None:
    """What FastGPT cuts at headings has a line end behind the mark; what it converts has the mark; files have none."""
    expected = {
        Format.TEXT: b"\xef\xbb\xbf\n",
        Format.MARKDOWN: b"\xef\xbb\xbf\n",
        Format.HTML: b"\xef\xbb\xbf",
        Format.CSV: b"\xef\xbb\xbf",
    }
    assert expected.get(fmt, b"") == head_of(fmt)


@pytest.mark.parametrize(
    ("sent_as", "path", "size", "training", "reason"),
    [
        (1, "a.md", 1000, Training(), LOSES_TITLE),
        (1, "a.rst", 1000, Training(), LOSES_TITLE),
        (1, "a.md", 999, Training(), ""),
        (1, "a.csv", 5000, Training(), ""),
        (1, "a.html", 5000, Training(), ""),
        (1, "a.pptx", 5000, Training(), ""),
        (1, "a.docx", 5000, IMPLIED, LOSES_HEADINGS),
        (1, "a.md", 10, IMPLIED, LOSES_HEADINGS),
        (WAY, "a.md", 5000, Training(), ""),
        (WAY, "a.md", 5000, IMPLIED, ""),
    ],
)
def test_who_may_gain(sent_as: int, path: str, size: int, training: Training, reason: str) -> None:
    """Long texts lose their title, custom settings without a split mode their headings; nothing of today's way does."""
    assert reason == may_gain(sent_as, path, size, training)


@pytest.mark.parametrize(
    ("text", "loses"),
    [
        (f"# Title\n\n## One\n\n{LONG}", True),
        (f"\ufeff# Title\r\n\r\n## One\r\n\r\n{LONG}", True),
        (f"\n# Title\n\n## One\n\n{LONG}", False),  # the mark stands on a line of its own already
        (f"---\ntitle: x\n---\n# Title\n\n## One\n\n{LONG}", False),
        (f"# Title\n\n{LONG}", False),
        (f"Title\n\n## One\n\n{LONG}", False),
        (f"#Title\n\n## One\n\n{LONG}", False),
        ("# Title\n\n## One\n\nShort.\n", False),
        ("", False),
    ],
)
def test_whose_chunks_lose_the_title(text: str, loses: bool) -> None:
    """A title is lost where it is the first line of a long text with other headings, and only there."""
    assert loses == loses_title(text)
