"""Pure: the errors of FastGPT that syncd knows, and what each means (fastgpt-api.md 1.3 and 1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from syncd.models import Problem


class Kind(Enum):
    """What an error means for the caller."""

    REFUSED = auto()
    RATE = auto()
    NO_COLLECTION = auto()
    NO_DATASET = auto()
    PERMANENT = auto()
    SERVER = auto()
    SHAPE = auto()
    UNREADABLE = auto()
    NO_ROUTE = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """How one known error is to be taken; ``wait`` is the pause in seconds when the answer names none."""

    kind: Kind
    hint: str = ""
    problem: Problem = Problem.UPLOAD_FAILED
    wait: float | None = None


_WRONG_KEY = Rule(
    Kind.REFUSED,
    "Check the API key: the server does not know it. Create a global key in FastGPT (account, API keys); "
    "the key of an app belongs to the answer checks only.",
)
_NO_RIGHT = Rule(
    Kind.REFUSED,
    "The key's member lacks the right: give it write (better: manage) permission on the dataset, "
    "or use a global key of the dataset's owner.",
)
_KEY_LIMIT = Rule(Kind.REFUSED, "The key has expired, was removed or has used up its own limit: renew it in FastGPT.")
_TOP_UP = Rule(Kind.REFUSED, "The team's balance or quota is used up: top up or raise the plan, then run again.")
_LICENSE = Rule(Kind.REFUSED, "The server's license or plan does not allow more of this: raise it or remove something.")
_MODEL = Rule(Kind.SERVER, "The dataset's model is not configured on the server (any more): ask its administrator.")
OUR_FAULT = Rule(
    Kind.SHAPE, "This FastGPT version wants other parameters than syncd sends: run `syncd doctor`, then upgrade syncd."
)
_TYPE = Rule(Kind.PERMANENT, "FastGPT does not take this type of file: exclude it or convert it.", Problem.UNSUPPORTED)
TOO_LARGE = Rule(
    Kind.PERMANENT,
    "Split the file, or raise the limit: UPLOAD_FILE_MAX_SIZE of FastGPT, client_max_body_size of nginx.",
    Problem.TOO_LARGE,
)
_DEPTH = Rule(Kind.PERMANENT, "The server limits how deep folders may be nested: flatten the tree.")
_NAME = Rule(Kind.PERMANENT, "Rename the file: the server cannot decode its name.")
_CHUNK = Rule(Kind.PERMANENT, "Change [source.training]: the server cannot cut the text with these settings.")

BY_STATUS_TEXT: Mapping[str, Rule] = {
    "unAuthApiKey": _WRONG_KEY,
    "unAuthorization": _WRONG_KEY,
    "unAuthProToken": _NO_RIGHT,
    "unAuthModel": _NO_RIGHT,
    "unAuthFile": _NO_RIGHT,
    "unAuthDataset": _NO_RIGHT,
    "unAuthDatasetCollection": _NO_RIGHT,
    "unAuthDatasetData": _NO_RIGHT,
    "unAuthDatasetFile": _NO_RIGHT,
    "openapiUnExist": _KEY_LIMIT,
    "openapiUnAuth": _KEY_LIMIT,
    "openapiExceedLimit": _KEY_LIMIT,
    "insufficientQuota": _TOP_UP,
    "aiPointsNotEnough": _TOP_UP,
    "datasetSizeNotEnough": _TOP_UP,
    "datasetAmountNotEnough": _LICENSE,
    "communityVersionNumLimit": _LICENSE,
    "licenseDatasetAmountLimit": _LICENSE,
    "FileUploadDisabled": Rule(Kind.REFUSED, "Uploads are switched off on the server: ask its administrator."),
    "commercialFeature": Rule(Kind.NO_ROUTE, "Only the commercial edition of FastGPT does this."),
    "tooManyRequest": Rule(Kind.RATE),
    "uploadFileIntervalLimit": Rule(Kind.RATE, wait=30.0),  # uploads are counted over 30 s (fastgpt-api.md 1.4)
    "unExistCollection": Rule(Kind.NO_COLLECTION),
    "unExistDataset": Rule(
        Kind.NO_DATASET,
        "Check `dataset` in the configuration: it does not exist on this server, or was deleted there.",
    ),
    "invalidVectorModelOrQAModel": _MODEL,
    "missingParams": OUR_FAULT,
    "invalidParams": OUR_FAULT,
    "InvalidUploadFileType": _TYPE,
    "UploadFileTypeMismatch": Rule(
        Kind.PERMANENT, "The content does not fit the file's extension: rename or repair it.", Problem.UNSUPPORTED
    ),
    "folderDepthLimit": _DEPTH,
    "folderMoveDepthLimit": _DEPTH,
    "unCreateCollection": Rule(Kind.PERMANENT, "FastGPT cannot make a collection of this file."),
}

# Only the constants below 1000 are the same in all versions.
BY_CODE: Mapping[int, Rule] = {
    403: _WRONG_KEY,
    429: Rule(Kind.RATE),
    510: _TOP_UP,
    511: _NO_RIGHT,
    513: _NO_RIGHT,
    514: _WRONG_KEY,
}

NOBODY_LOGGED_IN = Rule(
    Kind.REFUSED,
    "Log in to FastGPT's web page once: until somebody has, this server makes no dataset for anybody.",
)

BY_TEXT: tuple[tuple[str, Rule], ...] = (
    ("'currentsublevel'", NOBODY_LOGGED_IN),  # of a team that has no plan yet (retrieval.md R15)
    ("too many request", Rule(Kind.RATE)),
    ("collection is not exist", Rule(Kind.NO_COLLECTION)),  # up to 4.8.23
    ("collection not found", Rule(Kind.NO_COLLECTION)),
    ('for model "dataset_collections"', Rule(Kind.NO_COLLECTION)),  # "Cast to ObjectId failed": no id at all
    ('for model "datasets"', Rule(Kind.NO_DATASET, "Check `dataset` in the configuration: this is no dataset id.")),
    ("invalid dataset file key", Rule(Kind.UNREADABLE, "Run FastGPT's storage migration for 4.14.")),
    ("rather than the account key", Rule(Kind.REFUSED, "A global key needs the app's id for chat: set it.")),
    ("apikey invalid", _WRONG_KEY),
    ("file too large", TOO_LARGE),
    ("entitytoolarge", TOO_LARGE),
    ("body exceeded", TOO_LARGE),
    ("uri malformed", _NAME),
    ("q over tokens", _CHUNK),
    ("invalid array length", _CHUNK),  # chunkSize 0 (issue 3458)
    ("未配置商业版链接", Rule(Kind.NO_ROUTE, "Only the commercial edition of FastGPT does this.")),
)

BY_HTTP: Mapping[int, Rule] = {
    408: Rule(Kind.SERVER),
    413: TOO_LARGE,
    429: Rule(Kind.RATE),
    502: Rule(Kind.SERVER),
    503: Rule(Kind.SERVER),
    504: Rule(Kind.SERVER),
}


def rule_for(status: int, found: Mapping[str, Any]) -> Rule | None:
    """The rule for an envelope that tells of a failure, or None for one that nobody knows."""
    text = found.get("statusText")
    if isinstance(text, str) and text in BY_STATUS_TEXT:
        return BY_STATUS_TEXT[text]
    if isinstance(found.get("code"), int) and found["code"] in BY_CODE:
        return BY_CODE[found["code"]]
    message = str(found.get("message") or "").lower()
    for part, rule in BY_TEXT:
        if part in message:
            return rule
    return BY_HTTP.get(status)
