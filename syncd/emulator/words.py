"""The words FastGPT's full-text index knows of a text, as near as one comes without its dictionary.

FastGPT drops every run of non-blanks that holds ``http`` or ``https`` (retrieval.md R11), lets jieba cut the rest into
words, drops stop words, and gives MongoDB what is left. Here a word is what stands between blanks and signs; instead of
Chinese words there are all pairs of neighbouring characters, so a query finds a little more than there, never less.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

_CJK = r"\u3400-\u4dbf\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7af\uf900-\ufaff"
_WORDS = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IS_CJK = re.compile(rf"[{_CJK}]")
_LINKS = re.compile(r"\S*https?\S*", re.IGNORECASE)
_PHRASE = re.compile(r'"([^"]*)"')

# The commonest entries of the list FastGPT brings along.
_STOPPED = """
a about above after again all also am an and any are as at be because been before being below between both but
by can could did do does doing down during each few for from further had has have having he her here hers him
his how i if in into is it its just me more most my no nor not now of off on once only or other our out over
own s same she should so some such t than that the their them then there these they this those through to too
under until up very was we were what when where which while who whom why will with would you your
的 了 和 是 在 就 都 而 及 与 着 或 我 你 他 她 它 们 这 那 之 于 以 把 被 对 从 到
等 吗 呢 吧 啊 也 很 还 又 要 会 能 我们 你们 他们 她们 它们 这个 那个 这些 那些 一个 一些
因为 所以 但是 如果 而且 或者 以及 并且 可以 没有 什么 怎么 这样 那样 已经 虽然 然后 由于 关于
对于
"""
STOP_WORDS = frozenset(_STOPPED.split())


def words(text: str) -> Iterator[str]:
    """Words and pairs of characters, without links and stop words."""
    return all_words(_LINKS.sub("", text))


def all_words(text: str) -> Iterator[str]:
    """The same with links, which a model reads like everything else."""
    for match in _WORDS.finditer(unicodedata.normalize("NFKC", text).lower()):
        word = match.group()
        pieces = [word]
        if len(word) > 1 and _IS_CJK.match(word):
            pieces = [word[index : index + 2] for index in range(len(word) - 1)]
        yield from (piece for piece in pieces if piece not in STOP_WORDS)


def phrases(text: str) -> list[list[str]]:
    """The words of each part in double quotes: a text must hold them one behind the other, as for MongoDB."""
    found = [list(words(part)) for part in _PHRASE.findall(_LINKS.sub("", text))]
    return [phrase for phrase in found if phrase]


def indexed(q: str, a: str, extra: list[str]) -> tuple[str, str]:
    """What the full text holds of a row, and what a model sees beside it: links, and words with letters in bold."""
    text = " ".join((q, a, *extra))
    held = list(words(text))
    if "*" not in text and "http" not in text.lower():
        return " ".join(held), ""
    more = Counter(all_words(text.replace("*", ""))) - Counter(held)
    return " ".join(held), " ".join(more.elements())
