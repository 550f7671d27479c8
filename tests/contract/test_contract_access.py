"""Keys, envelopes, wrong addresses and malformed requests."""

from __future__ import annotations

import httpx
import pytest
from contract_target import Target


def with_authorization(target: Target, value: str | None) -> httpx.Response:
    headers = {} if value is None else {"Authorization": value}
    return target.bare.post(f"{target.base_url}/core/dataset/list", json={"parentId": ""}, headers=headers)


@pytest.mark.parametrize("value", [None, "{key}", "Bearer"])
def test_without_a_key_word_the_answer_is_403(target: Target, value: str | None) -> None:
    """A request whose Authorization has no second word is refused with code 403 unAuthorization."""
    response = with_authorization(target, value and value.format(key=target.key))
    assert target.refused(response) == (403, "unAuthorization")
    assert response.status_code == (403 if target.dialect == "4.16" else 500)


@pytest.mark.dialects("4.12", "4.14")
def test_a_key_without_a_dash_is_no_key(target: Target) -> None:
    """Up to 4.14 a key is split at its dashes, so one without a dash is 403, not 514."""
    assert target.refused(with_authorization(target, "Bearer nodashkey")) == (403, "unAuthorization")


def test_an_unknown_key_is_514_in_http_500(target: Target) -> None:
    """A well-formed unknown key is refused with code 514 unAuthApiKey, HTTP 500 in every version."""
    response = with_authorization(target, "Bearer fastgpt-thisisnotakey")
    assert target.refused(response) == (514, "unAuthApiKey")
    assert response.status_code == 500


def test_the_scheme_word_is_not_checked(target: Target) -> None:
    """Any scheme word before a good key is accepted."""
    assert with_authorization(target, f"Basic {target.key}").status_code == 200


@pytest.mark.emulator_only
def test_an_app_key_opens_dataset_routes(target: Target) -> None:
    """Dataset routes cannot tell an app key from a global one."""
    assert with_authorization(target, f"Bearer {target.app_key}").status_code == 200


def test_an_unknown_route_is_an_html_404(target: Target) -> None:
    """An unknown route below /api answers HTML with status 404, not an envelope."""
    response = target.post("core/dataset/nope")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")


def test_routes_are_case_sensitive(target: Target) -> None:
    """/listv2 is not /listV2."""
    assert target.post("core/dataset/collection/listv2").status_code == 404


def test_outside_of_api_is_the_web_page(target: Target) -> None:
    """A base URL without /api gets an HTML page, so that a wrong address shows."""
    response = target.bare.get(target.base_url.removesuffix("/api") + "/", follow_redirects=True)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")


def test_invalid_json_is_a_plain_text_400(target: Target) -> None:
    """A body that is no JSON is answered with the text Invalid JSON and HTTP 400."""
    headers = {"Content-Type": "application/json"}
    response = target.http.post("core/dataset/list", content=b"{not json", headers=headers)
    assert (response.status_code, response.text) == (400, "Invalid JSON")


@pytest.mark.dialects("4.12", "4.14")
def test_a_body_without_content_type_has_no_fields(target: Target, dataset: str) -> None:
    """JSON without its content type is a string to the server: its fields are not seen."""
    response = target.http.post("core/dataset/collection/listV2", content=f'{{"datasetId":"{dataset}"}}'.encode())
    assert target.refused(response) == (501002, "unExistDataset")


@pytest.mark.dialects("4.12", "4.14")
@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_methods_are_not_checked(target: Target, method: str) -> None:
    """The HTTP method of a request does not matter."""
    response = target.http.request(method, "core/dataset/list", json={"parentId": ""})
    assert response.status_code == 200


def test_a_json_body_over_10_mb_is_a_plain_text_413(target: Target, dataset: str) -> None:
    """create/text takes 10 MB of JSON; more is refused with a plain text."""
    body = {"datasetId": dataset, "name": "big", "text": "x" * 11_000_000}
    response = target.post("core/dataset/collection/create/text", body)
    assert (response.status_code, response.text) == (413, "Body exceeded 10mb limit")
