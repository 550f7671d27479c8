"""HTML to a tree, by those rules of the standard for broken pages that show in the words of a document.

Like FastGPT's converter, the page is read as the inside of one element: ``html``, ``head`` and ``body`` do not count,
a page's title is its first text, and a table does not end a paragraph.
"""

from __future__ import annotations

from syncd.emulator.nodes import VOID, Node, words

DEEPEST = 250  # open elements; real pages have some dozens, and what walks the tree walks it by recursion
_NOWHERE = words("html head body frame frameset")
_FORMATTING = words("a b big code em font i nobr s small strike strong tt u")
_TABLE_PARTS = words("caption colgroup col tbody thead tfoot tr td th")
_CELLS = ("td", "th", "caption")
_SECTIONS = ("tbody", "thead", "tfoot")
_HEADINGS = frozenset(["h1", "h2", "h3", "h4", "h5", "h6"])
_BLOCKS = _HEADINGS | words(
    "address article aside blockquote button center details dialog dir div dl fieldset figcaption figure footer form "
    "header hgroup hr li dd dt main menu nav ol p pre listing search section summary ul"
)
_CLOSES_P = _BLOCKS - frozenset(["button"])
_SPECIAL = _BLOCKS | _TABLE_PARTS | words("table marquee object applet template select textarea root")
_WALLS = words("applet caption html table td th marquee object template root")  # an element's scope ends
_IMPLIED = words("dd dt li optgroup option p rb rp rt rtc")


class TreeBuilder:
    """Takes start tags, end tags and texts; the tree is under ``root``.

    It keeps the open elements, and the formatting that is taken up again where a block was closed over it.
    """

    def __init__(self) -> None:
        self.root = Node("root")
        self._open = [self.root]
        self._formatting: list[Node | None] = []  # None is a wall: a cell or an object
        self._skip_newline = False
        self._form: Node | None = None

    @property
    def _current(self) -> Node:
        return self._open[-1]

    def foreign(self) -> bool:
        """Whether we are inside a drawing or a formula, where ``/>`` counts."""
        return any(node.name in ("svg", "math") for node in self._open)

    # ------------------------------------------------------------ text

    def text(self, data: str) -> None:
        """Characters."""
        if self._skip_newline:
            data = data.removeprefix("\n")
            self._skip_newline = False
        if not data:
            return
        if self._place() == "table" and data.strip():
            self._reconstruct()
            parent, index = self._before_table()
            if self._current.name in ("table", *_SECTIONS, "tr"):
                parent.add_text(data, index)
                return
        elif self._place() != "table":
            self._reconstruct()
        self._current.add_text(data)

    # ------------------------------------------------------------ start tags

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """A start tag."""
        self._skip_newline = False
        place = self._place()
        if tag in _NOWHERE or (tag in _TABLE_PARTS and place == "body") or self._ignored_in_select(tag):
            return
        if tag == "form" and self._form is not None:
            return
        if place in ("table", "cell") and self._in_table(tag, attributes, place):
            return
        if tag == "image":
            tag = "img"
        if tag in _CLOSES_P and self._in_scope("p", "button"):
            self._end_p()
        match tag:
            case "li":
                self._close_items(("li",))
            case "dd" | "dt":
                self._close_items(("dd", "dt"))
            case "option" | "optgroup" if self._current.name == "option":
                self._open.pop()
            case "rb" | "rtc" | "rp" | "rt" if self._in_scope("ruby"):
                self._imply(except_for="rtc" if tag in ("rp", "rt") else "")
            case "a" if any(node is not None and node.name == "a" for node in self._since_wall()):
                self._adopt("a")
            case "nobr" if self._in_scope("nobr"):
                self._adopt("nobr")
        if tag in _HEADINGS and self._current.name in _HEADINGS:
            self._open.pop()
        if tag not in _CLOSES_P and tag not in ("table", "script", "style", "template", "title"):
            self._reconstruct()
        node = self._put(Node(tag, attributes))
        if tag == "form":
            self._form = node
        if tag in VOID:
            self._open.pop()
        elif tag in _FORMATTING:
            self._formatting.append(node)
        elif tag in ("applet", "marquee", "object"):
            self._formatting.append(None)
        self._skip_newline = tag in ("pre", "listing", "textarea")

    def _ignored_in_select(self, tag: str) -> bool:
        """Whether a start tag counts for nothing inside a list of options; some end the list first."""
        if not any(node.name == "select" for node in self._open):
            return False
        if tag in ("option", "optgroup", "script", "template"):
            return False
        if tag in ("input", "keygen", "textarea", "select") or tag in _TABLE_PARTS or tag == "table":
            self._pop_to("select")
            return tag == "select"
        return True

    def _in_table(self, tag: str, attributes: dict[str, str], place: str) -> bool:
        """What table tags do inside a table; False for tags that are none."""
        if tag == "table" and place == "table":
            self._pop_to("table")
            return False
        if tag not in _TABLE_PARTS:
            return False
        if place == "cell":
            self._pop_to(*_CELLS)
            self._clear_formatting()
        wanted = {"tr": _SECTIONS, "td": ("tr",), "th": ("tr",), "col": ("colgroup",)}.get(tag, ("table",))
        while self._current.name not in (*wanted, "table", "root"):
            self._open.pop()
        if self._current.name == "table" and "table" not in wanted:
            if tag in ("td", "th"):
                self._put(Node("tbody"))
                self._put(Node("tr"))
            else:
                self._put(Node("colgroup" if tag == "col" else "tbody"))
        elif tag in ("td", "th") and self._current.name in _SECTIONS:
            self._put(Node("tr"))
        self._put(Node(tag, attributes))
        if tag == "col":
            self._open.pop()
        if tag in _CELLS:
            self._formatting.append(None)
        return True

    def _put(self, node: Node) -> Node:
        """Insert and open an element; what does not belong into a table goes before it."""
        parts = ("table", *_SECTIONS, "tr")
        if self._current.name in parts and node.name not in _TABLE_PARTS and node.name not in ("script", "style"):
            parent, index = self._before_table()
            parent.insert(node, index)
        else:
            self._current.append(node)
        self._open.append(node)
        if len(self._open) > DEEPEST:
            raise RecursionError("the page is nested too deeply")
        return node

    # ------------------------------------------------------------ end tags

    def end(self, tag: str) -> None:
        """An end tag."""
        self._skip_newline = False
        if tag in _NOWHERE:
            return
        if any(node.name == "select" for node in self._open) and tag not in ("option", "optgroup", "select"):
            if tag not in _TABLE_PARTS and tag != "table":
                return
            self._pop_to("select")
        if tag in _FORMATTING:
            self._adopt(tag)
        elif tag == "form":
            self._end_form()
        elif tag == "p":
            if not self._in_scope("p", "button"):
                self._put(Node("p"))
            self._end_p()
        elif tag == "br":
            self.start("br", {})
        elif tag in _HEADINGS:
            if any(self._in_scope(name) for name in _HEADINGS):
                self._imply()
                self._pop_to(*_HEADINGS)
        elif tag in _TABLE_PARTS or tag == "table":
            if any(node.name == tag for node in self._open):
                self._pop_to(tag)
                if tag in _CELLS:
                    self._clear_formatting()
        elif tag in _BLOCKS or tag in ("applet", "marquee", "object"):
            if self._in_scope(tag, "list" if tag == "li" else ""):
                self._imply(except_for=tag)
                self._pop_to(tag)
                if tag in ("applet", "marquee", "object"):
                    self._clear_formatting()
        else:
            self._end_other(tag)

    def _end_other(self, tag: str) -> None:
        for node in reversed(self._open):
            if node.name == tag:
                self._imply(except_for=tag)
                while self._open.pop() is not node:
                    pass
                return
            if node.name in _SPECIAL:
                return

    def _end_form(self) -> None:
        """A form ends without ending what is open inside it."""
        form, self._form = self._form, None
        if form is not None and self._in_scope("form"):
            self._imply()
            self._open = [node for node in self._open if node is not form]

    def _end_p(self) -> None:
        self._imply(except_for="p")
        self._pop_to("p")

    # ------------------------------------------------------------ helpers

    def _place(self) -> str:
        """Whether the innermost table is open at its cells (``cell``), between them (``table``), or not at all."""
        for node in reversed(self._open):
            if node.name in _CELLS:
                return "cell"
            if node.name in ("table", *_SECTIONS, "tr", "colgroup"):
                return "table"
        return "body"

    def _in_scope(self, name: str, more: str = "") -> bool:
        walls = _WALLS | ({"button"} if more == "button" else {"ol", "ul"} if more == "list" else set())
        for node in reversed(self._open):
            if node.name == name:
                return True
            if node.name in walls:
                return False
        return False

    def _pop_to(self, *names: str) -> None:
        while len(self._open) > 1 and self._open.pop().name not in names:
            pass

    def _imply(self, except_for: str = "") -> None:
        while self._current.name in _IMPLIED and self._current.name != except_for:
            self._open.pop()

    def _close_items(self, names: tuple[str, ...]) -> None:
        for node in reversed(self._open):
            if node.name in names:
                self._imply(except_for=node.name)
                self._pop_to(node.name)
                return
            if node.name in _SPECIAL and node.name not in ("address", "div", "p"):
                return

    def _before_table(self) -> tuple[Node, int]:
        table = next((node for node in reversed(self._open) if node.name == "table"), None)
        if table is None or table.parent is None:
            return self._current, len(self._current.children)
        return table.parent, table.index()

    # ------------------------------------------------------------ formatting

    def _since_wall(self) -> list[Node | None]:
        wall = max((at for at, node in enumerate(self._formatting) if node is None), default=-1)
        return self._formatting[wall + 1 :]

    def _clear_formatting(self) -> None:
        while self._formatting and self._formatting.pop() is not None:
            pass

    def _is_open(self, node: Node) -> bool:
        return any(other is node for other in self._open)

    def _reconstruct(self) -> None:
        """Open formatting again that was closed by the end of a block and not by its own end tag."""
        start = len(self._formatting)
        while start:
            node = self._formatting[start - 1]
            if node is None or self._is_open(node):
                break
            start -= 1
        for at in range(start, len(self._formatting)):
            old = self._formatting[at]
            if old is not None:
                self._formatting[at] = self._put(Node(old.name, dict(old.attributes)))

    def _adopt(self, tag: str) -> None:
        """The end of a formatting element, however it is nested with blocks (the standard's adoption agency)."""
        for _ in range(8):
            element = next((node for node in reversed(self._since_wall()) if node and node.name == tag), None)
            if element is None:
                self._end_other(tag)
                return
            if not self._is_open(element):
                self._forget(element)
                return
            at = next(index for index, node in enumerate(self._open) if node is element)
            block = next((node for node in self._open[at + 1 :] if node.name in _SPECIAL), None)
            if block is None:
                del self._open[at:]
                self._forget(element)
                return
            self._exchange(element, at, block)

    def _exchange(self, element: Node, at: int, block: Node) -> None:
        """Close ``element`` before ``block`` and open a copy of it inside."""
        ancestor = self._open[at - 1]
        bookmark = next(index for index, node in enumerate(self._formatting) if node is element)
        last = block
        index = next(number for number, node in enumerate(self._open) if node is block)
        between = list(reversed(self._open[at + 1 : index]))
        for count, node in enumerate(between, 1):
            listed = next((number for number, other in enumerate(self._formatting) if other is node), None)
            if listed is None or count > 3:
                self._open = [other for other in self._open if other is not node]
                if listed is not None:
                    self._forget(node)
                    bookmark -= listed < bookmark
                continue
            copy = Node(node.name, dict(node.attributes))
            self._formatting[listed] = copy
            self._open = [copy if other is node else other for other in self._open]
            if last is block:
                bookmark = listed + 1
            copy.append(last)
            last = copy
        if ancestor.name in ("table", *_SECTIONS, "tr"):
            parent, place = self._before_table()
            parent.insert(last, place)
        else:
            ancestor.append(last)
        copy = Node(element.name, dict(element.attributes))
        for child in list(block.children):
            copy.append(child)
        block.append(copy)
        old = next(number for number, other in enumerate(self._formatting) if other is element)
        self._formatting.insert(bookmark, copy)
        del self._formatting[old + (bookmark <= old)]
        self._open = [other for other in self._open if other is not element]
        self._open.insert(next(number for number, node in enumerate(self._open) if node is block) + 1, copy)

    def _forget(self, element: Node) -> None:
        self._formatting = [node for node in self._formatting if node is not element]
