"""The log pipeline: stable lines, and no secret in any of them (law 10)."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from syncd import logs
from syncd.config import Secret

CANARY = "fastgpt-Canary0123456789/+canary"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _configured(level: int = logging.INFO, **more: Any) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level, stream=stream, secrets=[CANARY], **more)
    return stream


def test_a_line_is_one_json_object() -> None:
    """Away from a terminal each event is one JSON object with time (UTC), level, logger, event and its values."""
    stream = _configured()
    logs.get_logger("apply").info("upload_done", path="文档/a.md", size=3, ratio=float("nan"), where=Path("/x"))
    (line,) = _lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "syncd.apply",
        "event": "upload_done",
        "path": "文档/a.md",
        "size": 3,
        "ratio": "nan",
        "where": "/x",
    }
    assert "文档" in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (logging.DEBUG, ["a", "b", "c", "library warns"]),
        (logging.INFO, ["b", "c", "library warns"]),
        (logging.WARNING, ["c", "library warns"]),
        (logging.ERROR, []),
    ],
)
def test_levels(level: int, expected: list[str]) -> None:
    """Our events are heard from the chosen level on, libraries from WARNING on and never below the chosen level."""
    stream = _configured(level)
    log = logs.get_logger("syncd.engine")
    log.debug("a")
    log.info("b")
    log.warning("c")
    logging.getLogger("httpx").info("library chats")
    logging.getLogger("httpx").warning("library %s", "warns")
    assert [line["event"] for line in _lines(stream)] == expected


def test_bound_values_are_in_every_event() -> None:
    """A bound logger adds its values; the logger it came from stays as it was."""
    stream = _configured()
    log = logs.get_logger("engine")
    log.bind(source="docs").bind(run=1).info("one", run=2, event="odd", level="odd")
    log.info("two")
    one, two = _lines(stream)
    assert (one["event"], one["source"], one["run"], one["event_"]) == ("one", "docs", 2, "odd")
    assert "source" not in two


def _everything_that_could_leak(log: logs.Logger) -> None:
    log.info("plain", url=f"http://x/?key={CANARY}", quoted="fastgpt-Canary0123456789%2F%2Bcanary")
    log.info(f"in the event {CANARY}")
    log.info("nested", data={"deep": [{"x": (CANARY, {CANARY}, {CANARY: 1})}], "raw": b"\xff" + CANARY.encode()})
    log.info("object", thing=type("Thing", (), {"__repr__": lambda self: CANARY})(), error=ValueError(CANARY))
    log.info("named", api_key="short", apiKey=1, Authorization="xx", access_token=["y"], headers={"Cookie": "short"})
    log.info("header", text="sent Authorization: Bearer short-lived-1234 to it")
    log.info("name", **{CANARY: 1})
    loop: list[object] = [CANARY]
    loop.append(loop)
    log.info("loop", loop=loop)
    try:
        try:
            raise ValueError(f"inner {CANARY}")
        except ValueError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        log.exception("failed", hint=CANARY)
        logging.getLogger("httpx").exception("library failed for %s", CANARY)
    logging.getLogger("uvicorn.error").warning({"dict": CANARY})
    logging.getLogger("apscheduler").error("%s", [CANARY], stack_info=True)
    logging.getLogger("broken").error("%d wrong arguments", CANARY)


@pytest.mark.parametrize("as_json", [True, False])
def test_no_secret_in_any_line(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A secret never appears: message, nested values, keys, objects, exceptions, libraries, broken records."""
    stream = _configured(json=as_json)
    root = logging.getLogger()  # pytest's own handlers raise on broken records
    root.handlers[:] = [handler for handler in root.handlers if isinstance(handler, logs._Handler)]
    _everything_that_could_leak(logs.get_logger("x"))
    out, err = capsys.readouterr()
    everything = stream.getvalue() + out + err
    assert "Canary" not in everything
    assert "short" not in everything
    assert everything.count("***") > 15
    assert "RuntimeError: outer" in everything
    assert "a log record of broken at line" in everything


def test_only_secrets_are_masked() -> None:
    """Names that merely resemble those of secrets keep their values: counts of tokens, where the key came from."""
    stream = _configured()
    logs.get_logger("x").info("e", tokens=5, api_key_origin="api_key_file /x", token=None, password="")
    line = _lines(stream)[0]
    assert (
        line["tokens"],
        line["api_key_origin"],
        line["token"],
        line["password"],
    ) == (5, "api_key_file /x", None, "")


def test_empty_and_short_secrets_do_no_harm() -> None:
    """An empty secret masks nothing; a short one is masked in values and cannot break the JSON of the line."""
    stream = io.StringIO()
    logs.configure(logging.INFO, stream=stream, secrets=["", "event", "17"])
    logs.get_logger("x").info("an event", a="b", n=17)
    (line,) = _lines(stream)
    assert (line["***"], line["a"], line["n"]) == ("an ***", "b", 17)


def test_a_secret_that_only_the_line_spells_out_is_masked() -> None:
    """What a renderer puts together from harmless parts is cleaned once more."""
    stream = io.StringIO()
    logs.configure(logging.INFO, json=False, stream=stream, secrets=["name=part-of-it"])
    logs.get_logger("x").info("e", name="part-of-it")
    assert stream.getvalue().endswith("] ***\n")


def test_secret_values_are_never_shown() -> None:
    """A Secret object logs as ``***`` even when nobody named it a secret."""
    stream = io.StringIO()
    logs.configure(logging.INFO, stream=stream)
    logs.get_logger("x").info("e", thing=Secret("hidden"), things=[Secret("hidden")], text=f"{Secret('hidden')}")
    line = _lines(stream)[0]
    assert (line["thing"], line["things"], line["text"]) == ("***", ["***"], "***")


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_on_terminals(environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets coloured lines instead of JSON, unless NO_COLOR or a dumb terminal asks for none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    logs.configure(logging.INFO, stream=stream)
    logs.get_logger("x").info("upload_done", path="a.md")
    text = stream.getvalue()
    assert "upload_done" in text
    assert not text.startswith("{")
    assert coloured == ("\x1b[" in text)


def test_file_names_cannot_steer_the_terminal() -> None:
    """Control characters of a name are shown as escapes on a console."""
    stream = io.StringIO()
    logs.configure(logging.INFO, json=False, stream=stream)
    logs.get_logger("x").info("e", path="\x1b[2J\x07evil", **{"k\x1b": 1})
    assert "\x1b" not in stream.getvalue()
    assert "\\x1b[2J\\x07evil" in stream.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "gb18030"])
def test_any_stream_takes_any_name(encoding: str) -> None:
    """Names that the stream's encoding cannot express, bytes that are no text included, still give a JSON line."""
    raw = io.BytesIO()
    logs.configure(logging.INFO, stream=io.TextIOWrapper(raw, encoding=encoding))
    logs.get_logger("x").info("e", path="手册\udcff😀")
    assert json.loads(raw.getvalue().decode(encoding))["path"] == "手册\udcff😀"


def test_setting_up_again_replaces_the_pipeline() -> None:
    """After a second ``configure`` each event is written once, to the new stream."""
    first, second = _configured(), _configured()
    logs.get_logger("x").info("once")
    assert (len(_lines(first)), len(_lines(second))) == (0, 1)


def test_a_closed_stream_stops_nothing() -> None:
    """Logging into a stream that is gone neither raises nor hangs."""
    stream = _configured()
    stream.close()
    logs.get_logger("x").error("nobody hears this")


def test_before_the_set_up_nothing_goes_to_stdout() -> None:
    """Without ``configure`` warnings go to stderr in plain words, and stdout stays empty: it belongs to data."""
    code = "from syncd import logs; log = logs.get_logger('x').bind(a=1); log.info('quiet'); log.warning('loud', b=2)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "loud a=1 b=2\n")


@pytest.mark.parametrize("module", ["syncd.logs", "syncd.config"])
def test_importing_is_cheap(module: str) -> None:
    """Importing the module loads neither structlog nor any other heavy library."""
    heavy = "{'structlog', 'rich', 'tomllib', 'httpx', 'asyncio', 'sqlite3'}"
    code = (
        f"import sys, {module}; from syncd.logs import get_logger; get_logger('a'); print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
