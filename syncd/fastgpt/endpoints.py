"""The routes of FastGPT that syncd uses, and what a lost answer to each of them means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route, relative to the base URL that ends in ``/api``.

    Attributes:
        name: short name, used in ``points``, counters and messages.
        repeatable: sending it twice does what sending it once does; a lost answer is the server's trouble. When
            False a lost answer is ``OutcomeUnknown`` (law 3).
        changes: it changes something, so that no answer but a known refusal (``refusals``) says that it has not. A
            repeatable one states an end and is simply sent again; one that is not is looked for.
        upload: its unknown failures are the document's, and it has the long time bound.
        document: FastGPT may refuse it for what this one document is; elsewhere a refusal is the server's trouble.
        most: bytes of the longest answer that is read, decompressed; rows of text take more than the word "done".
        late_key: it refuses API keys on some versions, where "not authorised" means "not there for a key".
    """

    name: str
    method: str
    path: str
    repeatable: bool = True
    upload: bool = False
    document: bool = False
    changes: bool = False
    late_key: bool = False
    most: int = 1 << 20


_ROWS = 16 << 20  # 30 chunks of half a megabyte; a document of MongoDB, which is what a detail is, holds 16 MB

DATASETS = Endpoint("datasets", "POST", "/core/dataset/list", most=_ROWS)
DATASET = Endpoint("dataset", "GET", "/core/dataset/detail")
CREATE_DATASET = Endpoint("create_dataset", "POST", "/core/dataset/create", repeatable=False, changes=True)
LIST = Endpoint("list", "POST", "/core/dataset/collection/listV2", most=_ROWS)
OLD_LIST = Endpoint("list", "POST", "/core/dataset/collection/list", most=_ROWS)
DETAIL = Endpoint("detail", "GET", "/core/dataset/collection/detail", most=_ROWS)
CREATE_FOLDER = Endpoint(
    "create_folder", "POST", "/core/dataset/collection/create", repeatable=False, document=True, changes=True
)
UPLOAD = Endpoint(
    "upload",
    "POST",
    "/core/dataset/collection/create/localFile",
    repeatable=False,
    upload=True,
    document=True,
    changes=True,
)
UPDATE = Endpoint("update", "POST", "/core/dataset/collection/update", document=True, changes=True)
DELETE = Endpoint("delete", "DELETE", "/core/dataset/collection/delete", changes=True)
# API keys work on these three from 4.10.0 on only (fastgpt-api.md 1.2).
TRAINING = Endpoint("training", "GET", "/core/dataset/collection/trainingDetail", late_key=True)
TRAINING_ERRORS = Endpoint("training_errors", "POST", "/core/dataset/training/getTrainingError", late_key=True)
RETRY_TRAINING = Endpoint("retry_training", "PUT", "/core/dataset/training/updateTrainingData", late_key=True)
CHUNKS = Endpoint("chunks", "POST", "/core/dataset/data/v2/list", most=_ROWS)
SEARCH = Endpoint("search", "POST", "/core/dataset/searchTest", most=_ROWS)
CHAT = Endpoint("chat", "POST", "/v1/chat/completions")
INIT_DATA = Endpoint("init_data", "GET", "/common/system/getInitData", most=_ROWS)
OPEN_API = Endpoint("open_api", "GET", "/apidoc/systemopenapi.json", most=_ROWS)
