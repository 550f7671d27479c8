"""The encoding of one file: by the form of its bytes, by a person's word, by the one clear reading. Pure.

See ``charset`` for the order; ``telling`` for what a clear reading is.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncd import telling
from syncd.evidence import Evidence
from syncd.misread import damage, doubtful, undecided
from syncd.readings import Reading, score
from syncd.undecodable import Choice, Undecodable, binary

_FEW = 2048  # bytes of lines that mostly leave no doubt
_NOISE = -3.0  # score below which a reading in double bytes is noise
_FAR = 2 * telling.AHEAD  # how far a reading that was named must be behind the clear one to be overruled
_DOUBLE = frozenset(("zh", "ja", "ko"))


def settle(evidence: Evidence, said: Sequence[str], free: tuple[str, ...] | None) -> Choice:
    """Return the encoding of a file without a byte order mark.

    Args:
        evidence: of the whole file.
        said: encodings that a person or the document named, in their order, in Python's spelling.
        free: the default encodings where no person named any, so that the text itself decides; else ``None``.

    Raises:
        Undecodable: it cannot be told, or it is binary data.
    """
    by_form = _by_form(evidence)
    if by_form is not None:
        if not evidence.zeros and not evidence.bad_bytes and by_form.codec.startswith("utf-16") and not said:
            raise _either(evidence, by_form.codec)
        return by_form
    unlikely = _doubtful_utf8(evidence) if not evidence.bad_bytes else None
    if not evidence.bad_bytes and (unlikely is None or list(said) == ["utf-8"]):
        return Choice("utf-8")
    if evidence.bad_bytes and _damaged_utf8(evidence):
        raise damage(evidence)
    soon = _soon(evidence, said)
    if soon is not None and (free is not None or not set(soon.names).isdisjoint(said)):
        return Choice(next((name for name in said if name in soon.names), soon.names[0]), soon.language)
    head = evidence.head[: len(evidence.head) & ~1] if evidence.size % 2 == 0 else b""
    rated = telling.readings(b"\n".join(evidence.sample), said, head=head)
    clear = telling.clear(rated)
    for name in said:
        reading = next((r for r in rated if name in r.names), None)
        if reading is not None and _acceptable(name, reading, clear, rated):
            return Choice(name, reading.language if reading is clear else "")
    if unlikely is not None:  # both readings have something for them: only somebody's word decides
        raise doubtful(unlikely, rated)
    if free is not None:
        clear = clear or _usual_chinese(rated)
        if clear is not None:
            return Choice(clear.names[0], clear.language)
    raise undecided(evidence, free or said, rated, clear)


def _soon(evidence: Evidence, said: Sequence[str]) -> Reading | None:
    """Return a reading that is clear beyond any doubt by a few lines already, if the others go on like them.

    To score all that is possible takes a quarter of a second for a long text, and most long texts are not in doubt.
    """
    lines, size = 0, 0
    while lines < len(evidence.sample) and size < _FEW:
        size += len(evidence.sample[lines])
        lines += 1
    if lines == len(evidence.sample):
        return None
    rated = telling.readings(b"\n".join(evidence.sample[:lines]), said)
    found = telling.clear(rated, floor=3 * telling.CLEAR, ahead=3 * telling.AHEAD)
    if found is None:
        return None
    rest = telling.read(b"\n".join(evidence.sample[lines:]), found.names[0])
    return found if rest is not None and score(rest, telling.kinds_of(found.names[0]))[0] > 0 else None


def _acceptable(name: str, reading: Reading, clear: Reading | None, rated: Sequence[Reading]) -> bool:
    """Say whether the word of a person or a document may stand: nothing speaks plainly against it."""
    if reading is clear:
        return True
    if clear is not None and clear.score - reading.score >= _FAR:
        return False
    double = not _DOUBLE.isdisjoint(telling.kinds_of(name))
    return not (double and reading.score < min(_NOISE, rated[0].score - telling.AHEAD / 2))


def _usual_chinese(rated: Sequence[Reading]) -> Reading | None:
    """Return the Chinese reading if it is the first by far less than is asked of encodings that nobody named."""
    found = telling.clear(rated, floor=3.0, ahead=2.5)
    return found if found is not None and found.names[0] == "gb18030" else None


def _by_form(evidence: Evidence) -> Choice | None:
    """Return an encoding that the form of the bytes gives away; raise for binary data."""
    if not evidence.sample or not evidence.bad_bytes:
        for name in ("iso2022_jp_2", "iso2022_kr", "hz", "utf-7"):
            if _escaped(evidence, name):
                return Choice(name)
    wide = _wide(evidence)
    if wide is not None:
        return Choice(wide)
    if evidence.first_zero is not None:
        raise binary(evidence.first_zero)
    return None


def _either(evidence: Evidence, name: str) -> Undecodable:
    """Return the error for text in UTF-8 whose control characters make it good UTF-16 as well."""
    text = telling.read(evidence.head, name) or ""
    return doubtful(evidence.head.decode("utf-8", "replace"), [Reading((name,), text, 0.0, "")])


def _escaped(evidence: Evidence, name: str) -> bool:
    """Say whether text in ASCII is in one of the encodings that write everything in ASCII."""
    start = {"iso2022_jp_2": b"\x1b$", "iso2022_kr": b"\x1b$)C", "hz": b"~{", "utf-7": b"+"}[name]
    if start not in evidence.escaped:
        return False
    text = telling.read(evidence.escaped if name != "iso2022_kr" else evidence.head, name)
    if text is None or text.isascii() or "\x1b" in text:
        return False
    found, _ = score("".join(c if c > "\x7f" else " " for c in text), ("alphabetic", "thai", "zh", "ja", "ko"))
    return found > {"hz": 0.0, "utf-7": 2.0}.get(name, -1e9)  # the escapes of ISO-2022 are nothing else


def _wide(evidence: Evidence) -> str | None:
    """Return UTF-16 or UTF-32 without a mark: zero bytes, or control characters that are none."""
    if not evidence.zeros and evidence.controls * 10 < evidence.size:
        return None
    for name, width in (("utf-32-le", 4), ("utf-32-be", 4)):
        if evidence.zeros * 3 > evidence.size and evidence.size % width == 0 and telling.read(evidence.head, name):
            return name
    if evidence.size % 2:
        return None
    head = evidence.head
    rated = []
    for name, zero_at in (("utf-16-le", 1), ("utf-16-be", 0)):
        text = telling.read(head, name)
        if text:
            share = head[zero_at::2].count(0) * 2 / len(head)
            rated.append((score(text)[0] + (20.0 if share > 0.6 else 0.0), name))
    rated.sort(reverse=True)
    if not rated or rated[0][0] < 1.5 or (len(rated) > 1 and rated[0][0] - rated[1][0] < 3.0):
        return None
    return rated[0][1]


def _doubtful_utf8(evidence: Evidence) -> str | None:
    """Return a few characters of well-formed UTF-8 if they are nonsense, while another reading is language."""
    if evidence.sound_lines or evidence.sound >= 8 or not evidence.sample:
        return None
    sample = b"\n".join(evidence.sample)
    text = telling.read(sample, "utf-8")
    if text is None or max(text) > "\u07ff":
        return None
    here = score(text)[0]
    if here > -1.0:
        return None
    rated = telling.readings(sample)
    return text if rated and rated[0].score >= max(0.5, here + 4.0) else None


def _damaged_utf8(evidence: Evidence) -> bool:
    if evidence.sound_lines:
        return evidence.sound_lines * 1000 >= evidence.bad_line_count
    return evidence.sound >= 3 and evidence.sound >= 5 * evidence.bad_bytes
