"""A small document tree: what HTML is parsed to, what Word documents are turned into, what Markdown is made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def words(text: str) -> frozenset[str]:
    """A set of names that are written as a sentence."""
    return frozenset(text.split())


VOID = words("area base br col command embed hr img input keygen link meta param source track wbr")


class Node:
    """An element, or a text when ``name`` is empty."""

    __slots__ = ("attributes", "children", "name", "note", "parent", "place", "text")

    def __init__(self, name: str, attributes: dict[str, str] | None = None, text: str = "") -> None:
        self.name = name
        self.attributes = attributes or {}
        self.text = text
        self.parent: Node | None = None
        self.children: list[Node] = []
        self.place = 0  # where it stood among the parent's children when somebody looked
        self.note: Any = None  # what a writer remembers of it

    def append(self, child: Node) -> Node:
        """Put ``child`` at the end, taking it from where it was."""
        return self.insert(child, len(self.children))

    def insert(self, child: Node, index: int) -> Node:
        """Put ``child`` at a place, taking it from where it was."""
        child.detach()
        child.parent = self
        child.place = index
        self.children.insert(index, child)
        return child

    def detach(self) -> None:
        """Leave the parent."""
        if self.parent is not None:
            self.parent.children.pop(self.index())
            self.parent = None

    def index(self) -> int:
        """The place among the parent's children."""
        siblings = self.parent.children if self.parent is not None else [self]
        if not (self.place < len(siblings) and siblings[self.place] is self):
            self.place = next(at for at, node in enumerate(siblings) if node is self)
        return self.place

    def add_text(self, text: str, index: int | None = None) -> None:
        """Text at a place (the end); joins a text that stands before it."""
        at = len(self.children) if index is None else index
        if at and not self.children[at - 1].name:
            self.children[at - 1].text += text
        else:
            self.insert(Node("", text=text), at)

    def sibling(self, step: int) -> Node | None:
        """The node before (-1) or behind (1) this one."""
        if self.parent is None:
            return None
        at = self.index() + step
        return self.parent.children[at] if 0 <= at < len(self.parent.children) else None

    def prune(self) -> None:
        """Drop empty texts below, and note every place, so that looking for siblings costs nothing."""
        self.children = [child for child in self.children if child.name or child.text]
        for place, child in enumerate(self.children):
            child.place = place
            child.prune()

    def all_text(self) -> str:
        """The text of everything below."""
        return self.text if not self.name else "".join(child.all_text() for child in self.children)

    def below(self) -> Iterator[Node]:
        """Every element below, in order."""
        for child in self.children:
            if child.name:
                yield child
                yield from child.below()
