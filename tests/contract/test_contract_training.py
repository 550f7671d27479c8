"""From upload to trained: tasks, errors, chunk settings, content."""

from __future__ import annotations

import re

import pytest
from contract_target import Target

MODES = {"parse", "qa", "chunk", "image", "auto", "imageParse"}
WORDS = ["bearing", "flange", "gasket", "impeller", "rotor", "stator", "turbine", "valve", "vessel", "welding"]


def manual(sections: int) -> str:
    """A Markdown manual with lines that occur once."""
    lines = ["# Manual"]
    for number in range(sections):
        lines += ["", f"## Section {number}", ""]
        for line in range(8):
            word = WORDS[(number * 3 + line) % len(WORDS)]
            lines.append(
                f"Step {number}.{line}: check the {word} with gauge G-{number * 100 + line}. 检查第{number}号设备。"
            )
    return "\n".join(lines) + "\n"


def test_progress_from_parse_to_rows(target: Target, dataset: str) -> None:
    """Right after an upload one task is listed and no row; at the end no task and all rows."""
    collection = target.upload(dataset, "progress.md", b"\xef\xbb\xbf" + manual(3).encode())
    row = target.row(dataset, collection)
    assert row["dataAmount"] == 0 or row["trainingAmount"] + row["dataAmount"] >= 1
    end = target.wait(collection)
    assert set(end["trainingCounts"]) == set(end["errorCounts"]) == set(end["queuedCounts"]) == MODES
    assert not any(end["errorCounts"].values())
    rows = target.rows(collection)
    assert end["trainedCount"] == len(rows) > 1
    assert [item["chunkIndex"] for item in rows] == sorted(item["chunkIndex"] for item in rows)


def test_content_comes_back(target: Target, dataset: str) -> None:
    """Every line of a Markdown file is found in its chunks, white space aside."""
    text = manual(12)
    collection = target.trained(target.upload(dataset, "content.md", b"\xef\xbb\xbf" + text.encode()))
    joined = re.sub(r"\s", "", "".join(row["q"] for row in target.rows(collection)))
    assert [line for line in text.splitlines() if re.sub(r"\s", "", line) not in joined] == []


def test_a_short_text_is_one_chunk_as_it_was(target: Target, dataset: str) -> None:
    """A text below 1000 characters comes back unchanged in one row."""
    text = "# Title\n\nOne paragraph.\n\nAnother one.\n"
    collection = target.trained(target.upload(dataset, "short.md", text.encode()))
    assert [row["q"] for row in target.rows(collection)] == [text]


def test_chunk_size_counts_in_custom_mode_only(target: Target, dataset: str) -> None:
    """chunkSize is ignored unless chunkSettingMode is custom."""
    text = ("The quick brown fox jumps over the lazy dog near the pump. " * 50).encode()
    plain = target.trained(target.upload(dataset, "plain.txt", text, chunkSize=300))
    custom = {"chunkSize": 300, "chunkSettingMode": "custom", "chunkSplitMode": "size"}
    fine = target.trained(target.upload(dataset, "custom.txt", text, **custom))
    assert (target.detail(plain)["chunkSize"], target.detail(fine)["chunkSize"]) == (1000, 300)
    assert len(target.rows(plain)) <= 4 < 8 <= len(target.rows(fine))
    assert max(len(row["q"]) for row in target.rows(fine)) < 450


def test_a_dot_behind_a_digit_ends_no_sentence(target: Target, dataset: str) -> None:
    """The sentence rule is a letter, a dot, a blank: text without other signs stays one chunk, however long."""
    text = ("The quick brown fox jumps over the lazy dog near pump P-7. " * 50).encode()
    custom = {"chunkSize": 300, "chunkSettingMode": "custom", "chunkSplitMode": "size"}
    assert len(target.rows(target.trained(target.upload(dataset, "p7.txt", text, **custom)))) == 1


@pytest.mark.dialects("4.12", "4.14", "4.16")
def test_a_link_that_cannot_be_read_fails_for_good(target: Target, dataset: str) -> None:
    """An unreachable link is accepted with 200 and fails in the parse."""
    body = {"datasetId": dataset, "link": "http://127.0.0.1:1/none", "trainingType": "chunk"}
    collection = target.ok(target.post("core/dataset/collection/create/link", body))["collectionId"]
    assert target.wait(collection)["errorCounts"]["parse"] == 1
    body = {"collectionId": collection, "offset": 0, "pageSize": 10}
    errors = target.ok(target.post("core/dataset/training/getTrainingError", body))
    assert errors["list"][0]["errorMsg"] == "Can not fetch content from link"


def test_a_failed_parse_can_be_tried_again(target: Target, dataset: str) -> None:
    """updateTrainingData gives a failed task new tries; a broken file fails again."""
    collection = target.upload(dataset, "broken.pdf", b"not a pdf")
    assert target.wait(collection)["errorCounts"]["parse"] == 1
    body = {"collectionId": collection}
    if target.dialect != "4.16":
        body["datasetId"] = dataset
    target.ok(target.post("core/dataset/training/updateTrainingData", body))
    for _ in range(500):
        progress = target.wait(collection)
        if progress["errorCounts"]["parse"]:
            break
    assert (progress["errorCounts"]["parse"], progress["trainedCount"]) == (1, 0)


def test_training_detail_of_an_unknown_collection(target: Target) -> None:
    """trainingDetail of an unknown collection is 501003."""
    response = target.get("core/dataset/collection/trainingDetail", collectionId="65f000000000000000000000")
    assert target.refused(response) == (501003, "unExistCollection")


@pytest.mark.emulator_only
def test_qa_mode_makes_questions_and_answers(target: Target, dataset: str) -> None:
    """In mode qa rows are questions with answers, not the text."""
    collection = target.trained(target.text(dataset, "qa", "The capital is Fredville.", trainingType="qa"))
    rows = target.rows(collection)
    assert rows
    assert all(row["q"] and row["a"] for row in rows)
