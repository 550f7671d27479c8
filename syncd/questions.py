"""Golden questions as somebody wrote them: in the front matter of a document, or in the file beside it. Pure.

Whatever is wrong there is said with file and line, and costs nobody else's question anything. A reader does it, since
YAML and TOML are parsed here (``reader``).
"""

from __future__ import annotations

from collections.abc import Callable

from syncd import authored, golden, matter
from syncd.config.lines import Lines
from syncd.golden import Question, Wrong
from syncd.matter import FrontMatter

LARGEST = 512 * 1024
"""Bytes of a file of questions."""

Found = tuple[list[Question], list[str]]
"""Questions, and what is wrong with others."""

_KEY = "questions"


def of_text(text: str, path: str) -> Found:
    """The questions in the front matter of the document at ``path``."""
    front = matter.read(text)
    if front.trouble and _KEY in front.text:
        told = f"{path}:{front.line}: its front matter cannot be read, so its questions are not asked: {front.trouble}"
        return [], [told]
    questions, wrong = golden.parse(front.table.get(_KEY), path)
    return questions, _told(wrong, path, lambda: _front_lines(front), 1)


def of_file(data: bytes, path: str, name: str) -> Found:
    """The questions in a file of them; it is TOML, so UTF-8.

    Args:
        data: its content.
        path: the document they belong to unless they say another.
        name: of the file, for what is wrong.
    """
    try:
        text = data.decode("utf-8-sig")
        raw = authored.tables(text).get(_KEY)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return [], [f"{name}:{line}: it is no UTF-8: save it as UTF-8"]
    except authored.NotReadable as error:
        return [], [f"{name}:{error.line}: it cannot be read, so its questions are not asked: {error}"]
    questions, wrong = golden.parse(raw, path)
    return questions, _told(wrong, name, lambda: _toml_lines(text), 0)


def _told(wrong: list[Wrong], name: str, lines: Callable[[], Callable[[int], int]], before: int) -> list[str]:
    """Say what is wrong, each with file and line; ``before``: lines of the file that stand before what was read."""
    if not wrong:
        return []
    line_of = lines()
    return [f"{name}:{before + line_of(index)}: {message}" for index, message in wrong]


def _toml_lines(text: str) -> Callable[[int], int]:
    found = Lines(text, lambda quoted: next(iter(authored.tables(quoted + " = 0"))))
    return lambda index: found.of((_KEY, index) if index >= 0 else (_KEY,))


def _front_lines(front: FrontMatter) -> Callable[[int], int]:
    if front.toml:
        return _toml_lines(front.text)
    import yaml

    root = yaml.compose(front.text, Loader=yaml.SafeLoader)  # it was read before, and is not deep
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    node: yaml.Node = next(value for key, value in pairs if key.value == _KEY)

    def line_of(index: int) -> int:
        listed = node.value if isinstance(node, yaml.SequenceNode) else []
        here = listed[index] if 0 <= index < len(listed) else node
        return int(here.start_mark.line) + 1

    return line_of
