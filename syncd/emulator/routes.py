"""All routes below /api and which of them need no key."""

from __future__ import annotations

from typing import Any

from syncd.emulator import (
    chat_routes,
    collection_routes,
    data_routes,
    dataset_routes,
    search_routes,
    training_routes,
    upload_routes,
)
from syncd.emulator.answers import Reply, encode
from syncd.emulator.call import Call, Route
from syncd.emulator.upload_routes import upload_limit

_MEGABYTE = 1024 * 1024


def init_data(call: Call) -> dict[str, Any]:
    """common/system/getInitData: the public part of the configuration (fastgpt-api.md 7.1)."""
    limit = upload_limit(call.core)
    size = 500 if limit is None else max(1, limit // _MEGABYTE)
    return {"feConfigs": {"isPlus": False, "uploadFileMaxSize": size, "uploadFileMaxAmount": 1000, "limit": {}}}


def open_api(call: Call) -> Reply:
    """apidoc/systemopenapi.json exists from 4.15 on; here it only tells the version."""
    document = {"openapi": "3.1.0", "info": {"title": "FastGPT API", "version": call.core.dialect.version}, "paths": {}}
    return Reply(200, encode(document))


UPLOAD = "core/dataset/collection/create/localFile"

ROUTES: dict[str, Route] = {
    "core/dataset/create": dataset_routes.create,
    "core/dataset/list": dataset_routes.listing,
    "core/dataset/detail": dataset_routes.detail,
    "core/dataset/update": dataset_routes.update,
    "core/dataset/delete": dataset_routes.delete,
    "core/dataset/searchTest": search_routes.search_test,
    "core/dataset/collection/create": collection_routes.create,
    "core/dataset/collection/create/text": upload_routes.text,
    "core/dataset/collection/create/link": upload_routes.link,
    UPLOAD: upload_routes.local_file,
    "core/dataset/collection/list": collection_routes.list_old,
    "core/dataset/collection/listV2": collection_routes.list_v2,
    "core/dataset/collection/scrollList": collection_routes.scroll_list,
    "core/dataset/collection/detail": collection_routes.detail,
    "core/dataset/collection/update": collection_routes.update,
    "core/dataset/collection/delete": collection_routes.delete,
    "core/dataset/collection/read": collection_routes.read_source,
    "core/dataset/collection/trainingDetail": training_routes.training_detail,
    "core/dataset/training/getTrainingError": training_routes.training_error,
    "core/dataset/training/updateTrainingData": training_routes.retry,
    "core/dataset/training/deleteTrainingData": training_routes.delete_task,
    "core/dataset/training/getDatasetTrainingQueue": training_routes.dataset_queue,
    "core/dataset/data/v2/list": data_routes.listing,
    "core/dataset/data/pushData": data_routes.push,
    "core/dataset/data/insertData": data_routes.insert,
    "core/dataset/data/detail": data_routes.detail,
    "core/dataset/data/update": data_routes.update,
    "core/dataset/data/delete": data_routes.delete,
    "v1/chat/completions": chat_routes.completions,
    "v2/chat/completions": chat_routes.completions,
    "common/system/getInitData": init_data,
}
ONLY_EXACT: dict[str, Route] = {"apidoc/systemopenapi.json": open_api}
PUBLIC = frozenset(("common/system/getInitData", "apidoc/systemopenapi.json"))

# Next.js takes 1 MB of JSON unless the route says more (fastgpt-api.md 1.5).
BODY_MEGABYTES = {
    "core/dataset/collection/create/text": 10,
    "core/dataset/data/pushData": 10,
    "v1/chat/completions": 20,
    "v2/chat/completions": 20,
}
