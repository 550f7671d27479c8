"""A document tree to Markdown as FastGPT's converter writes it: Turndown 7.1 with tables, strike-through, boxes."""

from __future__ import annotations

import re

from syncd.emulator import markdown_tables as tables
from syncd.emulator.javascript import BLANKS, trim
from syncd.emulator.markdown_tables import skipped, table_of
from syncd.emulator.nodes import VOID, Node, words

_BLOCKS = words(
    "address article aside audio blockquote body canvas center dd dir div dl dt fieldset figcaption figure footer form "
    "frameset h1 h2 h3 h4 h5 h6 header hgroup hr html isindex li main menu nav noframes noscript ol output p pre "
    "section table tbody td tfoot th thead tr ul"
)
_NEVER_BLANK = words("a table thead tbody tfoot th td iframe script audio video")
_REMOVED = frozenset(["script", "style", "iframe", "template"])
_HIGHLIGHT = re.compile(r"highlight-(?:text|source)-([a-z0-9]+)")
_EDGES = re.compile(rf"(([ \t\r\n]*)([{BLANKS}]*))(?:(?=[^{BLANKS}])[\s\S]*[^{BLANKS}])?(([{BLANKS}]*?)([ \t\r\n]*))\Z")
_ESCAPES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\\", r"\\\\"),
        (r"\*", r"\\*"),
        (r"\A-", r"\\-"),
        (r"\A\+ ", r"\\+ "),
        (r"\A(=+)", r"\\\1"),
        (r"\A(#{1,6}) ", r"\\\1 "),
        (r"`", r"\\`"),
        (r"\A~~~", r"\\~~~"),
        (r"\[", r"\\["),
        (r"\]", r"\\]"),
        (r"\A>", r"\\>"),
        (r"_", r"\\_"),
        (r"\A([0-9]+)\. ", r"\1\\. "),
    ]
]


def markdown(root: Node) -> str:
    """The Markdown of everything below ``root``; the tree's white space is collapsed on the way."""
    _collapse(root)
    text = _inside(root)
    return re.sub(rf"[{BLANKS}]+\Z", "", re.sub(r"\A[\t\r\n]+", "", text))


# ---------------------------------------------------------------- white space


def _collapse(root: Node) -> None:
    """Runs of blanks become one, none at the edges of blocks; ``pre`` keeps its own."""
    last: Node | None = None
    keep = False
    for node in list(_walk(root)):
        if not node.name:
            text = re.sub(r"[ \r\n\t]+", " ", node.text)
            if (last is None or last.text.endswith(" ")) and not keep and text.startswith(" "):
                text = text[1:]
            node.text = text
            if text:
                last = node
        elif node.name in _BLOCKS or node.name == "br":
            if last is not None:
                last.text = last.text.removesuffix(" ")
            last, keep = None, False
        elif node.name in VOID:
            last, keep = None, True
        elif last is not None:
            keep = False
    if last is not None:
        last.text = last.text.removesuffix(" ")
    root.prune()


def _walk(node: Node) -> list[Node]:
    """Nodes in the order in which they are met: a block with children also where it ends."""
    found: list[Node] = []
    for child in node.children:
        found.append(child)
        if child.name and child.name != "pre" and child.children:
            found += _walk(child)
            found.append(child)
    return found


# ---------------------------------------------------------------- nodes


def _inside(node: Node) -> str:
    """The pieces of all children with the larger of their gaps between them, two line ends at most."""
    parts: list[str] = []
    ends = 0  # line ends at the end of what is there
    for child in node.children:
        piece = _text(child) if not child.name else _element(child)
        body = piece.lstrip("\n")
        ends = min(2, max(ends, len(piece) - len(body)))
        if body:
            kept = body.rstrip("\n")
            parts += ["\n" * ends, kept]
            ends = len(body) - len(kept)
    return "".join(parts) + "\n" * ends


def _text(node: Node) -> str:
    parent = node.parent
    while parent is not None:
        if parent.name == "code":
            return node.text
        parent = parent.parent
    text = node.text
    for pattern, replacement in _ESCAPES:
        text = pattern.sub(replacement, text)
    return text


def _element(node: Node) -> str:
    if node.name in _REMOVED:
        return ""
    content = _inside(node)
    leading, trailing = _flanks(node)
    if leading or trailing:
        content = trim(content)
    written = ("\n\n" if node.name in _BLOCKS else "") if _is_blank(node) else _write(node, content)
    return leading + written + trailing


def _is_blank(node: Node) -> bool:
    if node.name in VOID or node.name in _NEVER_BLANK or trim(node.all_text()):
        return False
    return not any(child.name in VOID or child.name in _NEVER_BLANK for child in node.below())


def _flanks(node: Node) -> tuple[str, str]:
    """The white space at the edges of an inline element, which is moved outside its signs."""
    if node.name in _BLOCKS:
        return "", ""
    found = _EDGES.match(node.all_text())
    assert found is not None  # noqa: S101 - every text matches
    leading, leading_ascii, leading_rest, trailing, trailing_rest, trailing_ascii = found.groups()
    if leading_ascii and _flanked(node.sibling(-1), before=True):
        leading = leading_rest
    if trailing_ascii and _flanked(node.sibling(1), before=False):
        trailing = trailing_rest
    return leading, trailing


def _flanked(sibling: Node | None, *, before: bool) -> bool:
    if sibling is None or sibling.name in _BLOCKS:
        return False
    text = sibling.all_text()
    return text.endswith(" ") if before else text.startswith(" ")


def _write(node: Node, content: str) -> str:
    """One element by its rule."""
    match node.name:
        case "input" if _is_box(node):
            return ("[x]" if "checked" in node.attributes else "[ ]") + " "
        case "td" | "th":
            return content if skipped(table_of(node)) else tables.cell(content, node)
        case "tr":
            return content if skipped(table_of(node)) else tables.row(node, content)
        case "thead" | "tbody" | "tfoot":
            return content
        case "table":
            return content if skipped(node) else tables.table(node, content)
        case "del" | "s" | "strike":
            return f"~{content}~"
        case "p":
            return f"\n\n{content}\n\n"
        case "br":
            return "  \n"
        case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
            return f"\n\n{'#' * int(node.name[1])} {content}\n\n"
        case "blockquote":
            quoted = "\n".join("> " + line for line in content.strip("\n").split("\n"))
            return f"\n\n{quoted}\n\n"
        case "ul" | "ol":
            return _list(node, content)
        case "li":
            return _item(node, content)
        case "hr":
            return "\n\n* * *\n\n"
        case "a" if node.attributes.get("href"):
            return f"[{content}]({node.attributes['href']}{_title(node)})"
        case "em" | "i":
            return f"_{content}_" if trim(content) else ""
        case "strong" | "b":
            return f"**{content}**" if trim(content) else ""
        case "code" if not _alone_in_pre(node):
            return _code(content)
        case "img":
            source = node.attributes.get("src", "")
            return f"![{_clean(node.attributes.get('alt', ''))}]({source}{_title(node)})" if source else ""
        case "pre" if node.children and node.children[0].name == "code":
            return _fenced(node.children[0])
        case "div" if _highlighted(node):
            found = _HIGHLIGHT.search(node.attributes.get("class", ""))
            language = found.group(1) if found else ""
            return f"\n\n```{language}\n{node.children[0].all_text()}\n```\n\n"
        case _:
            return f"\n\n{content}\n\n" if node.name in _BLOCKS else content


def _clean(attribute: str) -> str:
    return re.sub(rf"(?:\n+[{BLANKS}]*)+", "\n", attribute)


def _title(node: Node) -> str:
    title = _clean(node.attributes.get("title", ""))
    return f' "{title}"' if title else ""


def _is_box(node: Node) -> bool:
    in_list = node.parent is not None and node.parent.name == "li"
    return in_list and node.attributes.get("type", "").lower() == "checkbox"


# ---------------------------------------------------------------- code


def _alone_in_pre(node: Node) -> bool:
    return node.parent is not None and node.parent.name == "pre" and len(node.parent.children) == 1


def _highlighted(node: Node) -> bool:
    named = _HIGHLIGHT.search(node.attributes.get("class", ""))
    return bool(named and node.children and node.children[0].name == "pre")


def _code(content: str) -> str:
    if not content:
        return ""
    content = re.sub(r"\r?\n|\r", " ", content)
    space = " " if re.search(r"\A`|\A .*?[^ ].* \Z|`\Z", content) else ""
    ticks = "`"
    runs = re.findall("`+", content)
    while ticks in runs:
        ticks += "`"
    return f"{ticks}{space}{content}{space}{ticks}"


def _fenced(code: Node) -> str:
    found = re.search(rf"language-([^{BLANKS}]+)", code.attributes.get("class", ""))
    language = found.group(1) if found else ""
    text = code.all_text()
    size = max([2, *(len(run) for run in re.findall(r"^`{3,}", text, re.MULTILINE))]) + 1
    fence = "`" * size
    return f"\n\n{fence}{language}\n{text.removesuffix(chr(10))}\n{fence}\n\n"


# ---------------------------------------------------------------- lists


def _elements(node: Node) -> list[Node]:
    return [child for child in node.children if child.name]


def _list(node: Node, content: str) -> str:
    parent = node.parent
    if parent is not None and parent.name == "li" and _elements(parent)[-1] is node:
        return "\n" + content
    return f"\n\n{content}\n\n"


def _item(node: Node, content: str) -> str:
    content = re.sub(r"\n+\Z", "\n", content.lstrip("\n")).replace("\n", "\n    ")
    prefix = "-   "
    parent = node.parent
    if parent is not None and parent.name == "ol":
        if parent.note is None:
            parent.note = {id(child): place for place, child in enumerate(_elements(parent))}
        place = parent.note[id(node)]
        start = parent.attributes.get("start", "")
        prefix = f"{(int(start) if re.fullmatch('-?[0-9]+', start) else 1) + place}.  "
    return prefix + content + ("\n" if node.sibling(1) is not None and not content.endswith("\n") else "")
