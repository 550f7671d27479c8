"""How well a reading of some bytes reads as language. Pure.

The same bytes can be decoded in dozens of encodings; mostly one of the results is language and the others are not. A
reading is scored (in nats, roughly: what the text says for this reading over noise) by

- the characters that make up most of any Chinese, Japanese or Korean text,
- the frequent words and pairs of letters of alphabetic languages, and letters that no such language has,
- marks where nobody writes them: inside words, box drawings, a capital behind a small letter, two alphabets in one
  word, a lone rare double-byte character that has swallowed an accented letter and its neighbour.

Encodings that give the same text are the same reading: nothing has to be decided between them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from syncd import languages
from syncd.languages import HANGUL, KANJI, LANGUAGES, SIMPLIFIED, THAI, TRADITIONAL

WORDS = 600
"""Distinct words of a reading that are looked at."""

PLAIN_WORDS = 60
"""Distinct words in ASCII that tell the language; they are the same in all readings."""

_STRANGE = 12.0  # what speaks against a language of whose frequent words hardly one is there
_HOPELESS = 60.0  # when so much speaks against a reading, its words are not looked at
_WORD = re.compile(r"[^\W\d_]+")
_MARK = re.compile(r"[^\x00-\x7f\w\u0300-\u036f\u0e00-\u0e7f\u0591-\u05c7\u064b-\u0652]|[µªº\u02b0-\u02ff]")
# Points of Hebrew and Arabic where there is no letter to bear them, and accents that no letter is known with.
_ASTRAY = re.compile(
    r"(?<![\u05d0-\u05f2\u0591-\u05c7])[\u0591-\u05c7]|(?<![\u0621-\u06ff])[\u064b-\u0652]|[\u0300-\u036f]"
)
_CJK = "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_LONE = re.compile(rf"(?<![{_CJK}])[{_CJK}](?![{_CJK}])")
_MARKS = re.compile(f"(?:{_MARK.pattern})+")
_LETTER_AT_DIGIT = re.compile(r"(?<=\d)[\u00b5-\u024f](?![^\W\d_])|(?<![^\W\d_])[\u00b5-\u024f](?=\d)")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[^\W\d_\x00-\u00b4]{1,2}(?=\d)")
_BESIDE_DIGIT = re.compile(r"(?<=\d)[^\W\d_\x00-\u024f](?![^\W\d_])|(?<![^\W\d_])[^\W\d_\x00-\u024f](?=\d)")
_HAN = re.compile("[\u4e00-\u9fff]")
# Marks that people write, beside the letters of their language.
_FREE = frozenset("’‘“”„‚«»‹›…–—\u00a0·´\u00ad'־׳״،؛؟ـ\u200c\u200d\u200e\u200f")
_USUAL = frozenset("°±×•§©®™€£½¼¾²³¹µªº¿¡†‡‰¥¢№÷\u202f\u2009₪₫฿΄΅")
_BEFORE_LETTER = frozenset("¿¡„‚§£€¥#№µ•")  # never right behind a letter
_AFTER_LETTER = frozenset("²³¹ªº©®™½¼¾‰°•")  # never right before a letter, but for degrees
_WIDE_MARKS = frozenset("，。、；：？！“”‘’（）《》〈〉【】「」『』—…·・ー％〜～")
_THAI_ABOVE = frozenset(
    "\u0e31\u0e34\u0e35\u0e36\u0e37\u0e38\u0e39\u0e3a\u0e47\u0e48\u0e49\u0e4a\u0e4b\u0e4c\u0e4d\u0e4e"
)
_THAI_TONES = frozenset("\u0e47\u0e48\u0e49\u0e4a\u0e4b\u0e4c\u0e4d\u0e4e")
_THAI_BEFORE = frozenset("เแโใไ")
_SHARED = frozenset("áâäçéëíîóôöúüýßšž")  # the same in the Western and the Central European code pages: names have them
_FINALS = frozenset("ךםןףץς")  # letters that end a word


@dataclass(frozen=True, slots=True)
class Reading:
    """One text that the bytes can be taken for.

    Args:
        names: the encodings that give it, the most usual first.
        text: of the sample.
        score: in nats; above 0 it reads as language, below as noise.
        language: the one it reads as best, in English.
    """

    names: tuple[str, ...]
    text: str
    score: float
    language: str


def score(text: str, kinds: Iterable[str] = ("alphabetic", "thai", "zh", "ja", "ko")) -> tuple[float, str]:
    """Return how well ``text`` reads as language, and as which; the best of ``kinds``."""
    return max((_SCORERS[kind](text) for kind in kinds), key=lambda found: found[0])


# ---------------------------------------------------------------- Chinese, Japanese, Korean


def _lone(text: str, common: frozenset[str]) -> float:
    """Say what speaks against double-byte characters that stand alone between ASCII letters or digits."""
    found = _LONE.findall(text)
    beside = [
        match[0]
        for match in _LONE.finditer(text)
        if match[0] not in common and _ascii_word(text, match.start() - 1, match.end())
    ]
    everything = len(found) == len(_wide_letters(text))  # not one word of two characters in all of it
    rare = sum(c not in common for c in found)
    return -5.0 * len(beside) - (3.0 * rare if everything else 0.0)


def _ascii_word(text: str, before: int, after: int) -> bool:
    left = text[before] if before >= 0 else ""
    right = text[after] if after < len(text) else ""
    return (left.isascii() and left.isalnum()) or (right.isascii() and right.isalnum())


def _wide_letters(text: str) -> list[str]:
    return [c for c in text if "\u2e80" <= c <= "\ud7a3" and c not in _WIDE_MARKS]


def _chinese(text: str) -> tuple[float, str]:
    total, simplified, traditional = 0.0, 0, 0
    for c in text:
        if c <= "\x7f":
            continue
        if "\u4e00" <= c <= "\u9fff":
            if c in SIMPLIFIED:
                total += 1.6
                simplified += 1
            elif c in TRADITIONAL:
                total += 1.5
                traditional += 1
            else:
                total += _rarity(c)
        elif c in _WIDE_MARKS:
            total += 0.4
        elif "\uff01" <= c <= "\uff5e" or c in "\u3000℃①②③④⑤⑥⑦⑧⑨⑩㎡№→←↑↓●○■□★☆√×÷±°":
            continue
        else:
            total -= 2.5
    name = "Traditional Chinese" if traditional > simplified * 0.3 else "Chinese"
    return total + _lone(text, SIMPLIFIED | TRADITIONAL), name


@lru_cache(maxsize=8192)
def _rarity(c: str) -> float:
    """Say what a Chinese character that is not frequent speaks for: by the place that standards gave it."""
    for codec, first, second in (("gb2312", 0xD8, 0xF8), ("big5", 0xC9, 0xFA)):
        try:
            lead = c.encode(codec)[0]
        except UnicodeError:
            continue
        return -0.8 if lead < first else -2.5 if lead < second else -4.0
    return -4.0


def _japanese(text: str) -> tuple[float, str]:
    total, kana, han = 0.0, 0, 0
    for c in text:
        if c <= "\x7f":
            continue
        if "\u3041" <= c <= "\u30fe":
            kana += 1
            total += 1.1
        elif "\u4e00" <= c <= "\u9fff":
            han += 1
            total += 1.3 if c in KANJI else _rare_kanji(c)
        elif c in _WIDE_MARKS:
            total += 0.4
        elif "\uff66" <= c <= "\uff9f":
            total -= 1.5  # the narrow katakana that single bytes become
        elif "\uff01" <= c <= "\uff5e" or c in "\u3000℃①②③④⑤⑥⑦⑧⑨⑩㎡№→←↑↓●○■□★☆√×÷±°々〇":
            continue
        else:
            total -= 2.5
    if not kana:
        total -= 2.0 + han * 0.4
    return total + _lone(text, KANJI), "Japanese"


@lru_cache(maxsize=8192)
def _rare_kanji(c: str) -> float:
    try:
        lead = c.encode("euc_jp")[0]
    except UnicodeError:
        return -4.0
    return -0.8 if lead < 0xD0 else -2.8


def _korean(text: str) -> tuple[float, str]:
    total = 0.0
    for c in text:
        if c <= "\x7f":
            continue
        if "\uac00" <= c <= "\ud7a3":
            total += 1.2 if c in HANGUL else _rare_hangul(c)
        elif "\u4e00" <= c <= "\u9fff":
            total -= 2.5
        elif c in _WIDE_MARKS:
            total += 0.2
        elif "\uff01" <= c <= "\uff5e" or c in "\u3000℃①②③④⑤㎡→●○■□×÷±°":
            continue
        else:
            total -= 2.5
    return total + _lone(text, HANGUL), "Korean"


@lru_cache(maxsize=8192)
def _rare_hangul(c: str) -> float:
    try:
        c.encode("euc_kr")
    except UnicodeError:
        return -4.0
    return -1.2


def swallowed(text: str, codec: str) -> int:
    """Return where a lone rare character stands beside ASCII letters whose second byte is an ASCII letter, else -1.

    An accented letter or a degree sign takes the plain letter behind it along: "80°C" in Latin-1 is "80癈" in GBK.
    """
    for match in _LONE.finditer(text):
        c = match[0]
        if c in SIMPLIFIED or c in TRADITIONAL or c in KANJI or not _HAN.match(c):
            continue
        if _ascii_word(text, match.start() - 1, match.end()) and c.encode(codec, "replace")[-1] < 0x80:
            return match.start()
    return -1


# ---------------------------------------------------------------- Thai


def _thai(text: str) -> tuple[float, str]:
    total, before = 0.0, " "
    for c in text:
        if "\u0e01" <= c <= "\u0e5b":
            total += 0.1
            if c in _THAI_ABOVE:
                # A vowel above or below stands on a consonant, a tone on a consonant or on such a vowel.
                stands = "\u0e01" <= before <= "\u0e2e" or (
                    c in _THAI_TONES and before in _THAI_ABOVE and before not in _THAI_TONES
                )
                total += 0.3 if stands else -4.0
            if before in _THAI_BEFORE and not "\u0e01" <= c <= "\u0e2e":
                total -= 4.0
        elif c > "\x7f":
            total -= 2.5 if c not in _FREE else 0.5
        elif c.isalpha() and "\u0e01" <= before <= "\u0e5b":
            total -= 1.5
        before = c
    total += sum(min(text.count(word), 20) * (1.5 if len(word) > 2 else 0.8) for word in THAI)
    return total, "Thai"


# ---------------------------------------------------------------- alphabets


@dataclass(frozen=True, slots=True, eq=False)
class _Profile:
    language: languages.Language
    words: frozenset[str]
    pairs: frozenset[str]


@lru_cache(maxsize=1)
def _profiles() -> dict[str, tuple[_Profile, ...]]:
    """Return the languages by alphabet, with the pairs of letters of their frequent words."""
    found: dict[str, list[_Profile]] = {}
    for language in LANGUAGES:
        words = frozenset(word for entry in language.words for word in _WORD.findall(entry))
        pairs = frozenset(pair for word in words for pair in _pairs(word))
        script = _script(next(iter(sorted(language.letters)), "a"))
        found.setdefault(script if language.letters - frozenset("¿¡·") else "latin", []).append(
            _Profile(language, words, pairs)
        )
    return {script: tuple(entries) for script, entries in found.items()}


def _pairs(word: str) -> list[str]:
    framed = f"^{word}$"
    return [framed[i : i + 2] for i in range(len(framed) - 1)]


def _script(c: str) -> str:
    if c < "\u0250" or "\u1e00" <= c <= "\u1eff":
        return "latin"
    if c < "\u0400":
        return "greek"
    if c < "\u0530":
        return "cyrillic"
    if "\u0590" <= c < "\u0600":
        return "hebrew"
    if "\u0600" <= c < "\u0780" or "\ufb50" <= c <= "\ufefc":
        return "arabic"
    return "other"


def _alphabetic(text: str) -> tuple[float, str]:
    text = unicodedata.normalize("NFC", text)
    against = _odd_marks(text)
    if against > _HOPELESS:
        return -against, ""
    plain: set[str] = set()
    beyond: dict[str, Counter[str]] = {}
    for word, count in Counter(_WORD.findall(_MARK.sub(" ", text))).items():
        if word.isascii():
            if len(plain) < PLAIN_WORDS:
                plain.add(word.lower())
            continue
        scripts = {_script(c) for c in word}
        if len(scripts) > 1 or "other" in scripts:
            against += 9.0
        elif sum(map(len, beyond.values())) < WORDS:
            against += 7.0 * _odd_case(word)
            beyond.setdefault(scripts.pop(), Counter())[word.lower()] += count
    best, language = _best_language("latin", plain, beyond.get("latin", Counter()))
    for script, words in beyond.items():
        if script != "latin":
            # A letter or two of another alphabet among Latin words is what an accented letter becomes.
            among_latin = sum(map(len, plain)) >= sum(len(word) for word in words if len(word) > 2)
            short = [word for word in words if len(word) < 3] if plain and among_latin else []
            more, name = _best_language(script, set(), Counter({w: n for w, n in words.items() if w not in short}))
            best, language = best + more - 3.0 * len(short), name if len(short) < len(words) else language
            if short:
                against += 3.0 * min(len(_BESIDE_DIGIT.findall(text)), 4)
    return best - against, language


def _odd_marks(text: str) -> float:
    """Say what the marks beyond ASCII speak against: each inside a word, and by themselves each kind four times."""
    seen: Counter[str] = Counter()
    inside = 0.0
    for match in _ASTRAY.finditer(text):
        seen[match[0]] += 1
    for run in _MARKS.finditer(text):
        left = text[run.start() - 1] if run.start() else "\n"
        right = text[run.end()] if run.end() < len(text) else "\n"
        within = left.isalpha() and right.isalpha()
        for at, mark in enumerate(run[0], run.start()):
            before = text[at - 1] if at else "\n"
            after = text[at + 1] if at + 1 < len(text) else "\n"
            odd = _odd_free(mark, before, after) if mark in _FREE else 6.0 * _odd_usual(mark, left, right)
            if odd and within:
                inside += odd
            elif odd and seen[mark] < 4:
                seen[mark] += 1
                inside += odd - 6.0
    lone = sum(match[0] not in "µªº" for match in _LETTER_AT_DIGIT.finditer(text))
    between = len(_BETWEEN_DIGITS.findall(text))
    return inside + 6.0 * seen.total() + 5.0 * min(lone, 4) + 3.0 * min(between, 4)


def _odd_free(mark: str, before: str, after: str) -> float:
    """Say how odd a mark of writing is where it stands: closing quotes that open, dashes that hang on a word."""
    follows = after.isalpha()
    if mark in "„‚“«‘":
        return 6.0 if before.isalpha() and follows else 0.0
    if mark == "’":
        return 6.0 if follows and not before.isalnum() else 0.0
    if mark in "—–":
        return 2.0 if follows and (before.isalpha() or before.isspace()) else 0.0
    return 6.0 if mark == "\u00a0" and follows and before == "\n" else 0.0


def _odd_usual(mark: str, left: str, right: str) -> bool:
    return mark not in _USUAL or _misplaced(mark, left, right)


def _misplaced(mark: str, left: str, right: str) -> bool:
    """Say whether a mark stands where nobody writes it, by what is before and behind it and its like."""
    letter, follows = left.isalpha(), right.isalpha()
    if letter and (follows or mark in _BEFORE_LETTER):
        return True
    if mark in _AFTER_LETTER and follows:
        return not (mark == "°" and right in "CFKcfNSEWO")
    return (mark == "µ" and not follows) or (mark in "¿¡" and left.isalnum())


def _odd_case(word: str) -> int:
    """Count capitals behind small letters where at least one of the two is beyond ASCII; final letters inside, too."""
    return sum((a.islower() and b.isupper() and not (a + b).isascii()) or a in _FINALS for a, b in pairwise(word))


def _best_language(script: str, plain: set[str], beyond: Counter[str]) -> tuple[float, str]:
    best, name = -1e9, ""
    for profile in _profiles().get(script, ()):
        total = min(sum(_plain_word(word, profile) for word in plain), 12.0)
        for word, count in beyond.items():
            # Little words are frequent, and stand in another place each time; a long one that comes again says no more.
            total += _word(word, profile) * (min(count, 4) if len(word) < 4 else 1)
        known = len(profile.words & plain) + sum(word in profile.words for word in beyond)
        if script == "latin" and len(plain) + len(beyond) >= 12 and known * 8 < len(plain) + len(beyond):
            total -= _STRANGE  # it spells like this language, but it is another one that is not known here
        if total > best:
            best, name = total, profile.language.name
    return (best, name) if name else (-6.0 * len(beyond), "")


@lru_cache(maxsize=8192)
def _plain_word(word: str, profile: _Profile) -> float:
    """Score a word in ASCII: it is the same in all readings, and tells the language."""
    if word in profile.words:
        return (0.2, 0.7, 1.5)[min(len(word), 3) - 1]
    if len(word) > 24:
        return 0.0
    pairs = _pairs(word)
    return sum(0.15 if pair in profile.pairs else -0.4 for pair in pairs) * 4 / max(len(pairs), 4)


@lru_cache(maxsize=8192)
def _word(word: str, profile: _Profile) -> float:
    """Score a word with letters beyond ASCII."""
    language = profile.language
    total = 0.0
    for c in word:
        if c in language.letters:
            total += 0.4 if c < "\u0250" else 0.0  # by chance a Latin letter is mostly not one of the language
        elif c > "\x7f" and c not in language.loans:
            total -= 2.5 if c in _SHARED else 6.0
    if word in profile.words:
        return total + (1.0, 2.0, 3.0)[min(len(word), 3) - 1]
    for pair in _pairs(word):
        if not pair.isascii():
            total += 0.8 if pair in profile.pairs else -1.2
    return total


_SCORERS = {"alphabetic": _alphabetic, "thai": _thai, "zh": _chinese, "ja": _japanese, "ko": _korean}
