"""Pieces of a page made from a Word document: wrapped by paths, emptied, put together, turned into a tree.

A piece that is not fresh joins the one before it if that is of the same kind: so runs of bold letters become one, and
paragraphs of a list share it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from syncd.emulator.nodes import Node

_VOID = ("br", "hr", "img", "input")


@dataclass(slots=True)
class Piece:
    """An element to be; ``names`` are those it may join, the first is its own. ``kept`` ones stay when empty."""

    names: tuple[str, ...]
    children: list[Piece | str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    fresh: bool = True
    kept: bool = False

    @property
    def name(self) -> str:
        """The element's name."""
        return self.names[0]


Pieces = list[Piece | str]


def wrap(path: str, children: Pieces, *, kept: bool = False) -> Pieces:
    """``children`` inside a path such as ``ul|ol > li > ul > li:fresh``; an empty path leaves them as they are."""
    for index, step in enumerate(reversed([word for word in path.split(" > ") if word])):
        names = tuple(step.removesuffix(":fresh").split("|"))
        children = [Piece(names, children, fresh=step.endswith(":fresh"), kept=kept and index == 0)]
    return children


def tree(pieces: Pieces) -> Node:
    """The tree of all pieces, without empty ones."""
    root = Node("root")
    for piece in _joined(_filled(pieces)):
        _add(root, piece)
    return root


def _add(parent: Node, piece: Piece | str) -> None:
    if isinstance(piece, str):
        parent.add_text(piece)
        return
    node = parent.append(Node(piece.name, piece.attributes))
    for child in piece.children:
        _add(node, child)


def _filled(pieces: Pieces) -> Pieces:
    """Without pieces in which nothing stands."""
    found: Pieces = []
    for piece in pieces:
        if isinstance(piece, str):
            found += [piece] if piece else []
            continue
        piece.children = _filled(piece.children)
        if piece.children or piece.kept or piece.name in _VOID:
            found.append(piece)
    return found


def _joined(pieces: Pieces) -> Pieces:
    found: Pieces = []
    for piece in pieces:
        if not isinstance(piece, str):
            piece.children = _joined(piece.children)
        _join(found, piece)
    return found


def _join(found: Pieces, piece: Piece | str) -> None:
    last = found[-1] if found else None
    if isinstance(piece, str) or piece.fresh or not isinstance(last, Piece):
        found.append(piece)
    elif last.name in piece.names and last.attributes == piece.attributes:
        for child in piece.children:
            _join(last.children, child)
    else:
        found.append(piece)
