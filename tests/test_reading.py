"""What is read as JSON of FastGPT, and what is refused before it costs anything."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.errors import EXIT_INCOMPATIBLE
from syncd.fastgpt import endpoints as to
from syncd.fastgpt.envelope import clean, decode, retry_after
from syncd.fastgpt.reading import DEEPEST, MOST_VALUES, Misshapen, Strange, read

STRANGE = {
    "too many objects": b"[" + b"{}," * MOST_VALUES + b"{}]",
    "too many texts": b"[" + b'"",' * MOST_VALUES + b"1]",
    "too many objects in each other": b'{"a":' * (MOST_VALUES + 1),
    "too many texts before too many values": b'""' * (3 * MOST_VALUES) + b"," * (MOST_VALUES + 1),
    "deep lists": b"[" * (DEEPEST + 2) + b"]" * (DEEPEST + 2),
    "deep objects": b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1),
    "deeper than Python goes": b"[" * 100_000 + b"]" * 100_000,
    "a field twice": b'{"code":200,"data":1,"data":2}',
    "NaN": b'{"code":200,"data":NaN}',
    "infinity": b"[-Infinity]",
    "a large number": b"[9007199254740993]",
    "a very large number": b"[" + b"9" * 5000 + b"]",
    "a large fraction": b"[1e301]",
    "infinity by another name": b"[-1e999]",
    "a long fraction": b"[0." + b"1" * 5000 + b"]",
    "half a character": b'{"name":"\\ud83d"}',
    "the other half": b'["\\uDE00"]',
    "two halves in the wrong order": b'["\\ude00\\ud83d"]',
    "half a character as a name": b'{"\\ud800":1}',
    "half a character as bytes": b'["\xed\xa0\x80"]',
    "no UTF-8": b'["\xff"]',
    "UTF-16": '["x"]'.encode("utf-16"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_fastgpt_does_not_write(name: str) -> None:
    """What is out of the bounds of FastGPT's JSON is refused with a reason, and is exit code 76."""
    with pytest.raises(Strange) as caught:
        read(STRANGE[name])
    assert str(caught.value).split()[0] in ("holds", "is", "names")
    with pytest.raises(Misshapen) as told:
        decode(to.LIST, 200, {}, STRANGE[name])
    assert told.value.exit_code == EXIT_INCOMPATIBLE
    assert told.value.message.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        '{"code":200,"data":null}',
        '\ufeff{"code":200}',
        '["\U0001f600", "\\ud83d\\ude00", "\\\\ud83d"]',
        "[9007199254740992, -1, 0, 1.5, 1e-7, 0.016393442622950821]",
        json.dumps("a,[{" * 200_000),
        json.dumps([{"q": "a,b,c\\" * 10_000, "a": '","' * 10_000}] * 30),
    ],
)
def test_what_fastgpt_may_write(text: str) -> None:
    """What is in bounds is read as Python reads it; commas and brackets within texts count for nothing."""
    assert read(text.encode()) == json.loads(text.removeprefix("\ufeff"))


def test_half_an_answer_is_no_strange_one() -> None:
    """An answer that broke off, also within a character, is a broken connection and not another server."""
    whole = '{"code":200,"data":"手册"}'.encode()
    for end in range(len(whole)):
        with pytest.raises(ValueError, match=r".") as caught:
            read(whole[:end])
        assert not isinstance(caught.value, Strange), whole[:end]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(VALUES, st.booleans())
def test_reads_what_was_written(value: object, escaped: bool) -> None:
    """All values within bounds are read as they were written, escaped or not."""
    assert read(json.dumps(value, ensure_ascii=escaped).encode()) == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ud8e09.-NaI', max_size=60).map(str.encode))
def test_any_bytes(body: bytes) -> None:
    """Whatever comes is a value or a ValueError."""
    with suppress(ValueError):
        read(body)


def test_memory_is_bounded() -> None:
    """60 MB of empty objects, and of other things that grow when they are read, cost less than 100 MB more."""
    script = """
import resource
from syncd.fastgpt.reading import read
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
bodies = [b"[" + part * (size // len(part)) + b"1]" for part, size in
          [(b"{},", 60 << 20), (b'"aa",', 16 << 20), (b'{"a":', 16 << 20), (b'"",', 16 << 20), (b"[", 16 << 20)]]
before = peak()
for body in bodies:
    try:
        read(body)
    except ValueError as error:
        assert "values" in str(error), error
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 100


@pytest.mark.parametrize("page", [b"<title", b"<h1 ", b"<", b"<<!-- ", b"< title>"])
def test_an_error_page_costs_nothing(page: bytes) -> None:
    """Megabytes of tags that never end are told in one line, without reading them again for each of them."""
    body = page * ((4 << 20) // len(page))
    with pytest.raises(Exception, match="HTTP 502"):
        decode(to.LIST, 502, {"content-type": "text/html"}, body)
    assert len(clean(body.decode())) <= 400


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=80)
    | st.floats().map(str)
    | st.integers().map(str)
    | st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    | st.sampled_from(
        ["Fri, 31 Dec 9999 23:59:59 +9999", "Mon, 01 Jan 0001 00:00:00 -2359", "0" * 10_000, "1_000", ""]
    ),
    st.sampled_from(["", "Sun, 29 Nov 2026 10:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "yesterday"]),
)
def test_any_pause(asked: str, date: str) -> None:
    """Whatever Retry-After and Date say, it is a number of seconds from 0 on, or nothing."""
    pause = retry_after({"retry-after": asked, "date": date}, 1_800_000_000.0)
    assert pause is None or 0.0 <= pause < float("inf")
