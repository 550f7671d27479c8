"""create/localFile and create/text: names, fields, refusals."""

from __future__ import annotations

import json

import httpx
import pytest
from contract_target import Target, form

NOT_SUPPORTED = 'Only support .txt, .md, .html, .pdf, .docx, pptx, .csv, .xlsx. "{}" is not supported.'


def data_part(dataset: str, **more: object) -> tuple[str, bytes]:
    return 'name="data"', json.dumps({"datasetId": dataset, **more}).encode()


@pytest.mark.parametrize("name", ["说明文档 v1.md", "100% off.txt", "it's (new) [1] & co.md", "日本語😀.md"])
def test_a_percent_encoded_name_arrives(target: Target, dataset: str, name: str) -> None:
    """A name encoded with quote(name, safe="") comes back as it was."""
    collection = target.trained(target.upload(dataset, name, b"content of the file"))
    assert target.detail(collection)["name"] == name


def test_a_raw_utf8_name_becomes_mojibake(target: Target, dataset: str) -> None:
    """Raw UTF-8 bytes in the header are read as latin-1."""
    body = form(data_part(dataset), ('name="file"; filename="说明.md"', b"content"))
    collection = target.ok(target.send_form(body))["collectionId"]
    assert target.detail(collection)["name"] == "说明.md".encode().decode("latin-1")


def test_an_rfc_5987_name_arrives(target: Target, dataset: str) -> None:
    """filename*= is decoded."""
    body = form(data_part(dataset), ("name=\"file\"; filename*=UTF-8''%E6%98%9F%E5%8F%B7.txt", b"content"))
    assert target.detail(target.ok(target.send_form(body))["collectionId"])["name"] == "星号.txt"


@pytest.mark.parametrize("name", ["100%.txt", "50% off.txt"])
def test_a_lone_percent_is_never_answered(target: Target, dataset: str, name: str) -> None:
    """An upload whose name holds a lone % hangs for ever, and stores nothing."""
    body = form(data_part(dataset), (f'name="file"; filename="{name}"', b"content"))
    with pytest.raises(httpx.ReadTimeout):
        target.send_form(body, timeout=8 if target.live else 0.4)
    assert name not in [row["name"] for row in target.listed(dataset, pageSize=100)["list"]]


def test_a_slash_stays_in_the_name(target: Target, dataset: str) -> None:
    """A directory part is kept as part of the name."""
    collection = target.trained(target.upload(dataset, "sub/dir/plain.txt", b"content"))
    assert target.detail(collection)["name"].endswith("plain.txt")


def test_the_file_may_come_before_the_data(target: Target, dataset: str) -> None:
    """The order of the parts does not matter."""
    body = form(('name="file"; filename="first.txt"', b"content"), data_part(dataset))
    assert target.ok(target.send_form(body))["collectionId"]


@pytest.mark.dialects("4.14", "4.16")
def test_names_are_cut_to_50_once_parsed(target: Target, dataset: str) -> None:
    """With the object store a parsed file's name has at most 50 UTF-16 units, extension kept."""
    collection = target.trained(target.upload(dataset, "n" * 77 + ".md", b"content"))
    assert target.detail(collection)["name"] == "n" * 47 + ".md"


@pytest.mark.dialects("4.12")
def test_names_are_not_cut_in_gridfs_times(target: Target, dataset: str) -> None:
    """Before the object store names were kept whole."""
    collection = target.trained(target.upload(dataset, "n" * 77 + ".md", b"content"))
    assert target.detail(collection)["name"] == "n" * 77 + ".md"


@pytest.mark.dialects("4.14", "4.16")
def test_a_cut_inside_an_emoji_is_an_error(target: Target, dataset: str) -> None:
    """If the 50th unit is half an emoji, the upload fails with URI malformed."""
    assert target.thrown(target.send_file(dataset, "x" * 46 + "😀😀.md", b"content")) == "URI malformed"


@pytest.mark.dialects("4.14", "4.16")
@pytest.mark.parametrize("name", ["a#b.md", "why?.txt"])
def test_hash_and_question_mark_fail_for_good(target: Target, dataset: str, name: str) -> None:
    """The upload is accepted, then the parser finds no extension."""
    collection = target.upload(dataset, name, b"content")
    assert target.wait(collection)["errorCounts"]["parse"] == 1
    assert parse_error(target, collection) == NOT_SUPPORTED.format("")


def parse_error(target: Target, collection: str) -> str:
    body = {"collectionId": collection, "offset": 0, "pageSize": 10}
    errors = target.ok(target.post("core/dataset/training/getTrainingError", body))
    assert errors["total"] == 1
    assert errors["list"][0]["mode"] == "parse"
    assert errors["list"][0]["retryCount"] == 0
    return str(errors["list"][0]["errorMsg"])


@pytest.mark.dialects("4.12", "4.14")
@pytest.mark.parametrize(("name", "extension"), [("data.xyz", "xyz"), ("script.py", "py"), ("README", "")])
def test_an_unsupported_extension_fails_in_the_parse(target: Target, dataset: str, name: str, extension: str) -> None:
    """Up to 4.14.10 nothing is checked at upload; the parse fails for good, with all counts at 0 but its error."""
    collection = target.upload(dataset, name, b"content")
    progress = target.wait(collection)
    assert progress["trainedCount"] == 0
    assert progress["errorCounts"]["parse"] == 1
    assert parse_error(target, collection) == NOT_SUPPORTED.format(extension)
    row = target.row(dataset, collection)
    assert (row["trainingAmount"], row["dataAmount"], row["hasError"]) == (1, 0, True)


@pytest.mark.dialects("4.16")
def test_an_unsupported_extension_is_refused_later(target: Target, dataset: str) -> None:
    """From 4.14.11 on the extension is checked at upload: HTTP 400 InvalidUploadFileType."""
    response = target.send_file(dataset, "data.xyz", b"content")
    assert (response.status_code, response.json()["statusText"]) == (400, "InvalidUploadFileType")


def test_capital_extensions_parse(target: Target, dataset: str) -> None:
    """.TXT is read like .txt."""
    assert target.stored(dataset, "LOUD.TXT", b"loud content") == "loud content"


@pytest.mark.dialects("4.14", "4.16")
def test_an_empty_file_is_refused(target: Target, dataset: str) -> None:
    """Zero bytes are a zodError with body code 400."""
    response = target.send_file(dataset, "empty.txt", b"")
    assert target.refused(response)[0] == 400
    assert response.json()["zodError"][0]["path"] == ["size"]


@pytest.mark.dialects("4.12")
def test_an_empty_file_becomes_an_empty_collection(target: Target, dataset: str) -> None:
    """Up to 4.14.3 zero bytes were accepted and ended with no rows and no error."""
    collection = target.trained(target.upload(dataset, "empty.txt", b""))
    assert target.row(dataset, collection)["dataAmount"] == 0


def test_a_blank_file_fails_in_its_chunk(target: Target, dataset: str) -> None:
    """White space only is accepted; its one chunk fails while the server goes on trying."""
    collection = target.upload(dataset, "blank.txt", b"  \n \n")
    for _ in range(1000):
        progress = target.progress(collection)
        if target.dialect == "4.16" or progress["errorCounts"]["chunk"]:
            break
    assert progress["trainedCount"] == 0
    assert target.rows(collection) == []


def test_nothing_is_deduplicated(target: Target, dataset: str) -> None:
    """The same file twice is two collections, each answered with insertLen 0."""
    first = target.ok(target.send_file(dataset, "same.txt", b"same"))
    second = target.ok(target.send_file(dataset, "same.txt", b"same"))
    assert first["collectionId"] != second["collectionId"]
    assert first["results"] == second["results"] == {"insertLen": 0}


def test_refused_forms(target: Target, dataset: str) -> None:
    """A missing file, a second file and a file part of another name are thrown texts."""
    file = ('name="file"; filename="a.txt"', b"a")
    assert target.thrown(target.send_form(form(data_part(dataset)))) == "File not found"
    assert target.thrown(target.send_form(form(data_part(dataset), file, file))) == "Unexpected field"
    other = ('name="upload"; filename="a.txt"', b"a")
    assert target.thrown(target.send_form(form(data_part(dataset), other))) == "Unexpected field"
    response = target.post("core/dataset/collection/create/localFile", {"datasetId": dataset})
    assert target.thrown(response) == "File not found"


@pytest.mark.parametrize("data", [None, b"{oops"])
def test_a_form_without_readable_data_has_no_dataset(target: Target, data: bytes | None) -> None:
    """A missing or broken data field counts as empty, so the dataset is missing."""
    parts = [('name="file"; filename="a.txt"', b"a")] + ([] if data is None else [('name="data"', data)])
    assert target.refused(target.send_form(form(*parts))) == (501002, "unExistDataset")


@pytest.mark.emulator_only
@pytest.mark.dialects("4.14")
def test_a_file_over_the_limit_is_refused_after_it_was_sent(target: Target, dataset: str) -> None:
    """File too large comes as an error in the envelope, not as a 413."""
    assert target.thrown(target.send_file(dataset, "big.txt", b"x" * (13 * 1024 * 1024))) == "File too large"


@pytest.mark.dialects("4.12", "4.14")
def test_local_file_keeps_collection_metadata_only(target: Target, dataset: str) -> None:
    """Up to 4.14.10 localFile keeps collectionMetadata and drops metadata; the file id is added."""
    marker = {"metadata": {"a": 1}, "collectionMetadata": {"b": {"c": 2}}}
    detail = target.detail(target.upload(dataset, "marked.txt", b"marked", **marker))
    assert detail["metadata"] == {"b": {"c": 2}, "relatedImgId": detail["fileId"]}


@pytest.mark.dialects("4.16")
def test_local_file_keeps_metadata_only(target: Target, dataset: str) -> None:
    """From 4.14.11 on localFile keeps metadata and drops collectionMetadata."""
    marker = {"metadata": {"a": 1}, "collectionMetadata": {"b": 2}}
    detail = target.detail(target.upload(dataset, "marked.txt", b"marked", **marker))
    assert detail["metadata"] == {"a": 1, "relatedImgId": detail["fileId"]}


def test_a_text_keeps_metadata_and_gets_txt(target: Target, dataset: str) -> None:
    """create/text keeps metadata as it is and appends .txt to the name, whatever it is."""
    collection = target.text(dataset, "说明.md", "text md name", metadata={"client": "abc"})
    detail = target.detail(collection)
    assert (detail["name"], detail["metadata"]) == ("说明.md.txt", {"client": "abc"})


@pytest.mark.dialects("4.12", "4.14")
def test_texts_without_text_or_with_a_bad_mode(target: Target, dataset: str) -> None:
    """A missing text and an unknown trainingType are thrown texts; an empty text is accepted."""
    path = "core/dataset/collection/create/text"
    assert "must be of type string" in target.thrown(target.post(path, {"datasetId": dataset, "name": "n"}))
    bad = {"datasetId": dataset, "name": "n", "text": "t", "trainingType": "nonsense"}
    assert "`nonsense` is not a valid enum value" in target.thrown(target.post(path, bad))
    assert target.ok(target.post(path, {"datasetId": dataset, "name": "n", "text": ""}))["collectionId"]


@pytest.mark.dialects("4.12", "4.14")
def test_external_ids_are_unique(target: Target, dataset: str) -> None:
    """externalFileId is the one thing that may not repeat within a dataset, and is free again after a delete."""
    first = target.text(dataset, "one", "one", externalFileId="ext-1")
    body = {"datasetId": dataset, "name": "two", "text": "two", "externalFileId": "ext-1"}
    assert target.thrown(target.post("core/dataset/collection/create/text", body)).startswith("E11000 duplicate key")
    target.ok(target.http.request("DELETE", "core/dataset/collection/delete", params={"id": first}, json={}))
    assert target.text(dataset, "two", "two", externalFileId="ext-1")


@pytest.mark.dialects("4.12", "4.14")
def test_tags_and_create_time_come_back(target: Target, dataset: str) -> None:
    """Tags come back as labels and createTime as it was sent, in the list and in detail."""
    sent = {"tags": ["t-one", "t-two"], "createTime": "2020-01-02T03:04:05.000Z"}
    collection = target.text(dataset, "tagged", "tagged", **sent)
    for shape in (target.detail(collection), target.row(dataset, collection)):
        assert {name: shape[name] for name in sent} == sent


def test_an_unknown_parent_is_accepted(target: Target, dataset: str) -> None:
    """A parent folder that does not exist is not checked: the collection is only found under that id."""
    parent = "65f000000000000000000000"
    collection = target.upload(dataset, "orphan.txt", b"orphan", parentId=parent)
    assert target.row(dataset, collection, parent)["name"] == "orphan.txt"
