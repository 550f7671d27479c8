"""Pure: the refusals that FastGPT speaks before it does any work (law 3).

After the body of a request that changes something was sent, every other answer may hide that it took effect: FastGPT's
own error in the middle of its work, a proxy that lost patience, a page of somebody in between. So this table is short.
What is not in it is an unknown outcome, looked for by its marker. Paths are those of FastGPT's repository, and
``fastgpt-observed.md`` names what a real server was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .endpoints import CREATE_DATASET, CREATE_FOLDER, DELETE, UPDATE, UPLOAD, Endpoint

_ANY = frozenset({UPLOAD.name, CREATE_FOLDER.name, CREATE_DATASET.name, UPDATE.name, DELETE.name})
_UPLOAD = frozenset({UPLOAD.name})
_FOLDERS = frozenset({CREATE_FOLDER.name, UPDATE.name})

# statusText, which is the same in all versions -> the calls that it refuses before they work.
BY_STATUS_TEXT: Mapping[str, frozenset[str]] = {
    # The key: parseHeaderCert and authOpenApiKey in packages/service/support/permission/auth and .../openapi/auth.ts
    # run in the first lines of each handler; localFile reads the body before, and stores nothing (observed, 12).
    "unAuthApiKey": _ANY,
    "unAuthorization": _ANY,
    "unAuthProToken": _ANY,
    "openapiUnExist": _ANY,
    "openapiUnAuth": _ANY,
    "openapiExceedLimit": _ANY,
    # The rights on what is named: packages/service/support/permission/dataset/auth.ts, in the same first lines.
    "unAuthDataset": _ANY,
    "unAuthDatasetCollection": _ANY,
    "unExistDataset": _ANY,
    "unExistCollection": _ANY,
    # The balance: packages/service/support/permission/teamLimit.ts, before createOneCollection in
    # packages/service/core/dataset/collection/controller.ts and before MongoDataset.create in dataset/create.ts.
    "insufficientQuota": _ANY,
    "aiPointsNotEnough": _ANY,
    "datasetSizeNotEnough": _ANY,
    "datasetAmountNotEnough": _ANY,
    "communityVersionNumLimit": _ANY,
    "licenseDatasetAmountLimit": _ANY,
    # Parameters and kinds of files: looked at before anything is stored.
    "missingParams": _ANY,
    "invalidParams": _ANY,
    "FileUploadDisabled": _UPLOAD,
    "InvalidUploadFileType": _UPLOAD,
    "UploadFileTypeMismatch": _UPLOAD,
    "folderDepthLimit": _FOLDERS,
    "folderMoveDepthLimit": _FOLDERS,
}

# The codes below 1000 are the same in all versions; some of them came with other words (fastgpt-api.md 1.4).
BY_CODE: Mapping[int, frozenset[str]] = {403: _ANY, 510: _ANY, 514: _ANY}

# Texts without a constant; lower case.
BY_TEXT: tuple[tuple[str, frozenset[str]], ...] = (
    ("apikey invalid", _ANY),
    # The team's plan is read before MongoDataset.create, and there is none until somebody has logged in (R15).
    ("'currentsublevel'", frozenset({CREATE_DATASET.name})),
    ("collection is not exist", _ANY),  # up to 4.8.23
    ('at path "_id" for model "dataset_collections"', _ANY),  # no id at all (observed, 6)
    ('at path "_id" for model "datasets"', _ANY),
    ("file too large", _UPLOAD),  # multer, packages/service/common/file/multer.ts
    ("entitytoolarge", _UPLOAD),  # the object store does not take the file; its collection would come next
    ("uri malformed", _UPLOAD),  # the file's name cannot be decoded or stored (observed fact 24)
)


def refused_before_work(endpoint: Endpoint, found: Mapping[str, Any]) -> bool:
    """Whether an envelope that tells of a failure shows that the call has changed nothing.

    Args:
        endpoint: what was asked.
        found: FastGPT's own envelope; what anybody else says is no proof.
    """
    text, code = found.get("statusText"), found.get("code")
    if isinstance(text, str) and endpoint.name in BY_STATUS_TEXT.get(text, ()):
        return True
    if isinstance(code, int) and endpoint.name in BY_CODE.get(code, ()):
        return True
    message = str(found.get("message") or "").lower()
    if any(part in message and endpoint.name in calls for part, calls in BY_TEXT):
        return True
    return endpoint.upload and empty_file(found)


def empty_file(found: Mapping[str, Any]) -> bool:
    """Whether the schema of the stored file's size refused it; nothing was stored then (observed fact 9).

    Other schemas are no proof: some versions check their own answer with one, after the work.
    """
    problems = found.get("zodError")
    return isinstance(problems, list) and any(
        isinstance(one, dict) and one.get("path") == ["size"] and one.get("code") == "too_small" for one in problems
    )
