"""The sources of a configuration (``[[source]]``): one by one, and how they get along."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from syncd.config import special
from syncd.config.document import Document, Table
from syncd.config.kinds import describe
from syncd.config.lines import Where
from syncd.config.schema import CUSTOM_CHUNKS, SOURCE, SUBTABLES, camel
from syncd.config.values import Source, VerifyPolicy
from syncd.ignore import Rules
from syncd.models import DeletePolicy, Training


class Sources:
    """Reads the sources of one document."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def all(self) -> tuple[Source, ...]:
        """Return the sources that could be read; what is wrong with the others is reported."""
        stated = self._document.tables.get("source", [])
        if not isinstance(stated, list) or not all(isinstance(item, dict) for item in stated):
            self._document.problem(
                ("source",), '"source" must be a list of tables; write [[source]], with two brackets'
            )
            return ()
        if not stated:
            self._document.problem((), "there is no source; add [[source]] with name, path and dataset")
        sources = {index: source for index, table in enumerate(stated) if (source := self._source(index, table))}
        self._check_names(stated)
        self._check_overlaps(sources)
        return tuple(sources.values())

    def _source(self, index: int, table: Table) -> Source | None:
        where: Where = ("source", index)
        label = _source_label(index, table)
        given = self._document.keys(table, SOURCE, where, label, SUBTABLES)
        parts = {name: self._subtable(name, table, where, label) for name in SUBTABLES}
        for key in ("name", "path", "dataset"):
            if key not in table:
                self._document.problem(where, f'{label}: "{key}" is missing')
        training = self._training(parts["training"], where, label)
        self._check_include(given.get("include", ()), where, label)
        for key in ("include", "exclude"):
            self._check_patterns(key, given.get(key, ()), where, label)
        if "path" in given:
            given["path"] = self._root(given["path"], where, label)
        if not {"path", "dataset"} <= given.keys() or ("folder" in table and "folder" not in given):
            return None
        given.setdefault("name", str(index + 1))  # reported by now; the source still takes part in the other checks
        verify, delete = VerifyPolicy(**parts["verify"]), DeletePolicy(**parts["delete"])
        return Source(**given, training=training, verify=verify, delete=delete)

    def _subtable(self, name: str, table: Table, where: Where, label: str) -> Table:
        value = table.get(name, {})
        if not isinstance(value, dict):
            self._document.problem(
                (*where, name), f'{label}: "{name}" must be a table; write [source.{name}] on a line of its own'
            )
            return {}
        return self._document.keys(value, SUBTABLES[name], (*where, name), f"{label} [source.{name}]")

    def _root(self, written: str, where: Where, label: str) -> Path:
        root = self._document.absolute(written)
        # A missing root is no mistake of the configuration: the source is held until it is there.
        if os.path.exists(root) and not os.path.isdir(root):
            self._document.problem((*where, "path"), f'{label}: "path" must name a directory, but is a file: {root}')
        return root

    def _check_include(self, patterns: tuple[str, ...], where: Where, label: str) -> None:
        for index, pattern in enumerate(patterns):
            suffix = special.unreadable_suffix(pattern)
            if suffix:
                braces = "; gitignore syntax knows no braces, write one pattern for each" if "}" in suffix else ""
                self._document.warn(
                    (*where, "include", index),
                    f"{label}: include pattern {describe(pattern)} matches no format that can be read{braces}",
                )

    def _check_patterns(self, key: str, stated: tuple[str, ...], where: Where, label: str) -> None:
        for index, pattern in enumerate(stated):
            try:
                Rules.compile((), (pattern,), ())
            except ValueError as error:
                self._document.problem((*where, key, index), f'{label}: "{key}": {error}')
                return
        try:
            Rules.compile((), stated, ())
        except ValueError as error:
            self._document.problem((*where, key), f'{label}: "{key}": {error}')

    def _training(self, given: Table, where: Where, label: str) -> Training:
        mode = given.pop("mode", "chunk")
        options: dict[str, str | int | bool] = {camel(key): value for key, value in given.items()}
        implied: tuple[tuple[str, str], ...] = ()
        if CUSTOM_CHUNKS & given.keys():
            options["chunkSettingMode"] = "custom"
            if "chunk_split_mode" not in given:
                # Without a split mode FastGPT would cut without regard to headings (retrieval.md R3).
                implied = (("chunkSplitMode", "paragraph"),)
        if given.get("chunk_split_mode") == "size":
            self._document.warn(
                (*where, "training", "chunk_split_mode"),
                f'{label} [source.training]: chunk_split_mode = "size" cuts without regard to headings, and search '
                'finds less; "paragraph" keeps each chunk under its headings',
            )
        if "qa_prompt" in given and mode != "qa":
            self._document.warn(
                (*where, "training", "qa_prompt"),
                f'{label} [source.training]: "qa_prompt" has no effect unless mode = "qa"',
            )
        return Training(mode, tuple(sorted(options.items())), implied)

    def _check_names(self, stated: list[Table]) -> None:
        first: dict[object, int] = {}
        for index, table in enumerate(stated):
            name = table.get("name")
            if not SOURCE["name"].accepts(name):
                continue
            if name in first:
                line = self._document.line(("source", first[name], "name"))
                text = f'source "{name}": "name" must differ from that of the source at line {line}'
                self._document.problem(("source", index, "name"), text)
            first.setdefault(name, index)

    def _check_overlaps(self, sources: Mapping[int, Source]) -> None:
        """Report sources that feed one dataset without folders and roots apart from each other (rule 29)."""
        roots = {index: os.path.realpath(source.path) for index, source in sources.items()}
        for index, source in sources.items():
            for before, other in sources.items():
                if before >= index or other.dataset != source.dataset:
                    continue
                both = f'source "{source.name}": feeds dataset {describe(source.dataset)} as source "{other.name}" does'
                if _nested(source.folder, other.folder):
                    self._document.problem(
                        ("source", index, "folder"),
                        f"{both}, into the same folder or one inside the other; give each a folder of its own",
                    )
                if _nested(roots[index].strip("/"), roots[before].strip("/")):
                    self._document.problem(
                        ("source", index, "path"),
                        f"{both}, from the same directory or one inside the other: {source.path}; each document "
                        "would be there twice",
                    )


def _nested(one: str, other: str) -> bool:
    """Whether two POSIX paths without outer slashes are equal or one lies inside the other; "" holds all."""
    shorter, longer = sorted((one, other), key=len)
    return not shorter or longer == shorter or longer.startswith(shorter + "/")


def _source_label(index: int, table: Table) -> str:
    name = table.get("name")
    return f'source "{name}"' if SOURCE["name"].accepts(name) else f"source {index + 1}"
