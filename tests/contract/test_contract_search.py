"""searchTest: modes, scores, limits, hiding, merging of equal texts."""

from __future__ import annotations

import pytest
from contract_target import Target

MODES = ["embedding", "fullTextRecall", "mixedRecall"]
TYPES = {
    "embedding": {"embedding"},
    "fullTextRecall": {"fullText"},
    "mixedRecall": {"embedding", "fullText", "rrf"},
}
TOPICS = {
    "pumps.md": "# 水泵\n\n水泵 P-102 的维护周期为 5000 小时，润滑油牌号为 ISO VG 46。",
    "refund.md": "# 退款政策\n\n客户可以在购买后七天内申请全额退款，超过期限需要主管批准。",
    "inverter.md": "# Inverters\n\nThe warranty of the photovoltaic inverter is ten years, provided it is registered.",
    "crane.md": "# Cranes\n\nAlways wear a helmet near crane K-3 and keep a distance of four metres.",
}
QUESTIONS = {
    "pumps.md": "水泵 P-102 的维护周期是多少小时",
    "refund.md": "购买后几天内可以申请全额退款",
    "inverter.md": "warranty of the photovoltaic inverter",
    "crane.md": "helmet distance near crane K-3",
}


@pytest.fixture(scope="module")
def _topics() -> dict[str, tuple[str, dict[str, str]]]:
    return {}


@pytest.fixture
def topics(target: Target, _topics: dict[str, tuple[str, dict[str, str]]]) -> tuple[str, dict[str, str]]:
    """A dataset with four documents, and their ids by name; each server that is started has its own."""
    if target.base_url not in _topics:
        dataset = target.dataset("topics")
        ids = {name: target.upload(dataset, name, b"\xef\xbb\xbf" + text.encode()) for name, text in TOPICS.items()}
        for collection in ids.values():
            target.trained(collection)
        _topics[target.base_url] = dataset, ids
    return _topics[target.base_url]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", sorted(TOPICS))
def test_the_document_asked_for_comes_first(
    target: Target, topics: tuple[str, dict[str, str]], name: str, mode: str
) -> None:
    """A question with a document's own rare words finds it first, with the scores of its mode."""
    dataset, ids = topics
    hits = target.search(dataset, QUESTIONS[name], mode)
    assert (hits[0]["collectionId"], hits[0]["sourceName"]) == (ids[name], name)
    assert {score["type"] for score in hits[0]["score"]} == TYPES[mode]
    assert [set(score) for score in hits[0]["score"]] == [{"type", "value", "index"}] * len(TYPES[mode])


def test_limits_are_tokens(target: Target, topics: tuple[str, dict[str, str]]) -> None:
    """limit counts tokens; the first row is always kept, even with limit 0."""
    dataset, _ = topics
    assert len(target.search(dataset, "crane inverter", "embedding", limit=5000)) == 4
    assert len(target.search(dataset, "crane inverter", "embedding", limit=1)) == 1
    assert len(target.search(dataset, "crane inverter", "embedding", limit=0)) == 1


@pytest.mark.dialects("4.12", "4.14")
def test_similarity_counts_in_embedding_mode_only(target: Target, topics: tuple[str, dict[str, str]]) -> None:
    """A high similarity empties an embedding search and leaves full text alone; an unknown mode means embedding."""
    dataset, _ = topics
    assert target.search(dataset, "helmet", "embedding", similarity=0.99) == []
    assert target.search(dataset, "helmet", "fullTextRecall", similarity=0.99)
    assert target.search(dataset, "helmet", "nonsense", similarity=0.99) == []


def test_an_empty_text_is_refused(target: Target, topics: tuple[str, dict[str, str]]) -> None:
    """A search for nothing is a missing parameter."""
    response = target.post("core/dataset/searchTest", {"datasetId": topics[0], "text": ""})
    assert response.json()["code"] == (400 if target.dialect == "4.16" else 507004)


def test_defaults_and_echo(target: Target, topics: tuple[str, dict[str, str]]) -> None:
    """Mode and limit have defaults and are told back."""
    data = target.ok(target.post("core/dataset/searchTest", {"datasetId": topics[0], "text": "helmet"}))
    assert (data["searchMode"], data["limit"], data["usingReRank"]) == ("embedding", 5000, False)
    assert data["duration"].endswith("s")


def test_unknown_and_empty_datasets(target: Target) -> None:
    """An unknown dataset is 501002, an empty one finds nothing."""
    body = {"datasetId": "65f000000000000000000000", "text": "x"}
    assert target.refused(target.post("core/dataset/searchTest", body)) == (501002, "unExistDataset")
    assert target.search(target.dataset("empty"), "anything") == []


@pytest.mark.parametrize("mode", MODES)
def test_the_flip(target: Target, dataset: str, mode: str) -> None:
    """A collection hidden right after its upload trains on and is found by no search; showing it and hiding the old
    one takes effect with the next search."""
    line = f"The {mode} manifest of the sluice gate lists {mode}-{{}} bolts."
    old = target.trained(target.upload(dataset, "gate.md", line.format(11).encode()))
    new = target.upload(dataset, "gate.md", line.format(22).encode())
    target.update(new, forbid=True)
    target.trained(new)
    query = f"{mode} manifest of the sluice gate"

    def found() -> set[str]:
        return {hit["collectionId"] for hit in target.search(dataset, query, mode)} & {old, new}

    assert found() == {old}
    target.update(new, forbid=False)
    assert found() == {old, new}
    target.update(old, forbid=True)
    assert found() == {new}
    target.update(old, forbid=False)
    target.update(new, forbid=True)
    assert found() == {old}
    assert target.row(dataset, new)["forbid"] is True


@pytest.mark.parametrize("mode", MODES)
def test_equal_texts_are_merged(target: Target, mode: str) -> None:
    """Of two documents with one text a search shows only one; hide it, and the other shows."""
    dataset = target.dataset("twins")
    first = target.trained(target.upload(dataset, "one.md", b"The identical twin paragraph about marmots."))
    second = target.trained(target.upload(dataset, "two.md", b"The identical twin paragraph about marmots."))
    hits = target.search(dataset, "identical twin marmots", mode)
    assert len(hits) == 1
    shown = hits[0]["collectionId"]
    target.update(shown, forbid=True)
    assert [hit["collectionId"] for hit in target.search(dataset, "identical twin marmots", mode)] == [
        second if shown == first else first
    ]


def test_long_queries_work(target: Target, topics: tuple[str, dict[str, str]]) -> None:
    """A query of 20 000 characters is answered."""
    assert target.search(topics[0], "pump " * 4000, "embedding")


def test_search_before_training_is_empty(target: Target) -> None:
    """What is not trained yet is not found, without an error."""
    dataset = target.dataset("untrained")
    collection = target.upload(dataset, "later.md", b"The capybara chapter")
    hits = target.search(dataset, "capybara", "embedding")
    assert hits == [] or target.progress(collection)["trainedCount"] == 1
