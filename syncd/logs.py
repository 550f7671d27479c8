"""Logging: one pipeline for our own events and those of the libraries, with secrets taken out last.

Our own events have stable names and values (``log.info("watch.mode", source="docs", mode="poll")``; ``logged.py``
lists them); they go to stderr, as coloured lines on a terminal and as one JSON object per line elsewhere. Where stderr
is the journal each line begins with its priority (``<6>``), which journald takes off and stores. structlog is imported
when the pipeline is set up, so that importing this module costs nothing.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import partial
from typing import Any, TextIO
from urllib.parse import quote

from syncd import outlet
from syncd.harmless import harmless, in_json
from syncd.lean import without

MASK = "***"
ROOT = "syncd"

_SECRET_NAME = re.compile(r"(?i)(?:api[_-]?key|authorization|token|secret|password|cookie)$")
_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}")
_DEEPEST = 12
_OF_SEVERAL_LINES = ("exception", "exc_info", "stack")  # tracebacks, by structlog's names
# Shorter ones are part of ordinary words; replacing them in the finished line could break its JSON.
_SHORTEST_IN_LINE = 8

Render = Callable[[MutableMapping[str, Any]], str]


class _Pipeline:
    """Whether ``configure`` was called; until then structlog would write to stdout, which belongs to data."""

    ready = False


_REDACTORS: weakref.WeakSet[Redactor] = weakref.WeakSet()


def configure(level: int, json: bool | None = None, stream: TextIO | None = None, secrets: Iterable[str] = ()) -> None:
    """Set logging up, anew when it was set up before.

    Args:
        level: the lowest level of our own events (``logging.INFO`` …); libraries are heard from WARNING on.
        json: one JSON object per line, or not; without a word JSON unless the stream is a terminal.
        stream: where the lines go; without a word stderr as it is now.
        secrets: texts that must never be written.
    """
    with without("rich"):
        import structlog

    stream = stream or sys.stderr
    terminal = stream.isatty()
    as_json = not terminal if json is None else json
    redact = Redactor(secrets, printable=not as_json)
    coloured = terminal and _colours_wanted()
    finish = in_json if as_json else partial(harmless, colours=coloured)
    render = _json_renderer(stream) if as_json else _console_renderer(colours=coloured)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # As text, without the local variables of the frames: those are where secrets live.
            structlog.processors.format_exc_info,
            lambda _logger, _method, event: finish(redact.line(render(redact.values(event)))),
        ],
    )
    _install(_Handler(stream, priorities=as_json and _is_journal(stream)), formatter, level)
    _Pipeline.ready = True


def get_logger(name: str) -> Logger:
    """Return the logger of a module; it costs nothing until it is used."""
    return Logger(name if name == ROOT or name.startswith(ROOT + ".") else f"{ROOT}.{name}")


class Logger:
    """Writes events with values; ``bind`` gives a logger that adds the same values to each event."""

    __slots__ = ("_bound", "_name")

    def __init__(self, name: str, bound: Mapping[str, object] | None = None) -> None:
        self._name = name
        self._bound = dict(bound or {})

    def bind(self, **values: object) -> Logger:
        """Return a logger that adds ``values`` to every event."""
        return Logger(self._name, {**self._bound, **values})

    def debug(self, event: str, /, **values: object) -> None:
        """For whoever looks for a bug."""
        self._write(logging.DEBUG, event, values)

    def info(self, event: str, /, **values: object) -> None:
        """What was done."""
        self._write(logging.INFO, event, values)

    def warning(self, event: str, /, **values: object) -> None:
        """What a person may want to look at."""
        self._write(logging.WARNING, event, values)

    def error(self, event: str, /, **values: object) -> None:
        """What a person must look at."""
        self._write(logging.ERROR, event, values)

    def exception(self, event: str, /, **values: object) -> None:
        """An error together with the traceback of the exception that is being handled."""
        self._write(logging.ERROR, event, {"exc_info": True, **values})

    def _write(self, level: int, event: str, values: Mapping[str, object]) -> None:
        if not logging.getLogger(self._name).isEnabledFor(level):
            return
        everything = {**self._bound, **values}
        if not _Pipeline.ready:
            trace = bool(everything.pop("exc_info", False))
            words = "".join(f" {key}={value!r}" for key, value in everything.items())
            logging.getLogger(self._name).log(level, "%s%s", event, words, exc_info=trace)
            return
        if "event" in everything:  # the name of a parameter of structlog's
            everything["event_"] = everything.pop("event")
        import structlog

        structlog.stdlib.get_logger(self._name).bind(**everything).log(level, event)


def conceal(secret: str) -> None:
    """From here on nothing may write this either: a key that was read while everything runs."""
    for redactor in list(_REDACTORS):
        redactor.add(secret)


class Redactor:
    """Takes secrets out of values and of finished lines.

    Args:
        secrets: texts that must not appear, in any spelling that a URL gives them.
        printable: also show control characters as escapes, so that no file name can steer a terminal.
    """

    def __init__(self, secrets: Iterable[str], *, printable: bool = False) -> None:
        self._printable = printable
        self._spellings: list[str] = []
        self.add(*secrets)
        _REDACTORS.add(self)

    def add(self, *secrets: str) -> None:
        """Some secrets more."""
        known = [secret for secret in secrets if secret]
        spellings = {*self._spellings, *known, *(quote(secret, safe="") for secret in known)}
        # The longest first: a secret may be part of another one.
        self._spellings = sorted(spellings, key=len, reverse=True)
        outlet.conceal(known)

    def values(self, event: MutableMapping[str, Any]) -> dict[str, Any]:
        """Return the values of an event as plain, clean data."""
        clean = {self.text(str(key)): self._named(str(key), value, 0) for key, value in event.items()}
        return {key: self._on_one_line(key, value) for key, value in clean.items()} if self._printable else clean

    def _on_one_line(self, key: str, value: Any) -> Any:
        """A line break in a name begins no line of the log, which could say anything."""
        if not isinstance(value, str) or key in _OF_SEVERAL_LINES:
            return value
        return value.replace("\n", "\\n")

    def line(self, line: str) -> str:
        """Clean a finished line once more: what a renderer put together from parts."""
        for spelling in self._spellings:
            if len(spelling) >= _SHORTEST_IN_LINE:
                line = line.replace(spelling, MASK)
        return line

    def clean(self, value: object) -> Any:
        """Return plain data in which no text holds a secret; what is no plain data becomes text."""
        return self._clean(value, 0)

    def text(self, text: str) -> str:
        """Return ``text`` without secrets."""
        for spelling in self._spellings:
            text = text.replace(spelling, MASK)
        text = _CREDENTIALS.sub(rf"\1 {MASK}", text)
        return _escaped(text) if self._printable else text

    def _named(self, name: str, value: object, depth: int) -> Any:
        if _SECRET_NAME.search(name) and value is not None and value != "":
            return MASK
        return self._clean(value, depth)

    def _clean(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, str):
            return self.text(str(value))
        if depth < _DEEPEST:
            if isinstance(value, Mapping):
                return {self.text(str(key)): self._named(str(key), item, depth + 1) for key, item in value.items()}
            if isinstance(value, list | tuple | set | frozenset):
                return [self._clean(item, depth + 1) for item in value]
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "backslashreplace"))
        return self.text(str(value) if isinstance(value, os.PathLike) else repr(value))


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        character
        if character in "\n\t" or character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines to the stream, whatever the stream's encoding, and never explains a failure with its arguments.

    Args:
        stream: where the lines go.
        priorities: begin each line with its priority, as journald understands it.
    """

    def __init__(self, stream: TextIO, *, priorities: bool = False) -> None:
        super().__init__(stream)
        self._priorities = priorities

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record) + self.terminator
            if self._priorities:
                line = f"<{_priority(record.levelno)}>{line}"
            encoding = self.stream.encoding or "utf-8"
            self.stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
            self.flush()
        except Exception:
            # Whatever it is, whoever logs is at work on something else.
            self.handleError(record)
        else:
            from syncd import losses

            losses.tell(self.stream)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say that a record was lost. The standard one prints the arguments, secrets included."""
        with contextlib.suppress(Exception):  # the stream is gone; there is nobody left to tell
            self.stream.write(f"a log record of {record.name} at line {record.lineno} could not be written\n")


def _install(handler: _Handler, formatter: logging.Formatter, level: int) -> None:
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger(ROOT).setLevel(level)


def _is_journal(stream: TextIO) -> bool:
    """Whether systemd has connected the stream to the journal: it says so with the stream's device and inode."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # not a file, or closed
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _priority(level: int) -> int:
    """syslog's number for a level (sd-daemon(3))."""
    return 3 if level >= logging.ERROR else 4 if level >= logging.WARNING else 6 if level >= logging.INFO else 7


def _colours_wanted() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _json_renderer(stream: TextIO) -> Render:
    import json

    unicode = (stream.encoding or "utf-8").lower().replace("-", "") == "utf8"

    def render(event: MutableMapping[str, Any]) -> str:
        first = {key: event.pop(key) for key in ("timestamp", "level", "logger", "event") if key in event}
        # Bytes that are no text (file names) are escaped either way: the stream could not encode them.
        return json.dumps({**first, **event}, ensure_ascii=not unicode)

    return render


def _console_renderer(*, colours: bool) -> Render:
    from structlog.dev import ConsoleRenderer, plain_traceback

    # The traceback is text by now; plain_traceback keeps the renderer from formatting it again with local variables.
    renderer = ConsoleRenderer(colors=colours, exception_formatter=plain_traceback, sort_keys=False)
    return lambda event: renderer(None, "", event)
