"""Every key of the configuration and what its value may be. Defaults are those of the values' own classes."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.config import special
from syncd.config.kinds import (
    Kind,
    choice,
    duration,
    flag,
    label,
    name,
    path,
    percent,
    rate,
    secret,
    size,
    text,
    texts,
    whole,
)

Keys = Mapping[str, Kind]

VERSION = 1

FASTGPT: Keys = {
    "base_url": Kind(special.base_url),
    "api_key_file": path(secret_file=True),
    "api_key": secret(),
    "timeout": duration(),
    "upload_timeout": duration(),
    "uploads": whole(1, 64),
    "search_tests_per_second": rate(1000),
    "training_timeout": duration(),
    "ca_file": path(),
    "max_attempts": whole(1, 1000),
}
LEDGER: Keys = {
    "path": path(),
    "space": name(empty=True),
    "backups": whole(0, 1000),
    "history": duration(at_least=3600.0),
}
SCHEDULE: Keys = {
    "timezone": Kind(special.timezone),
    "scan": Kind(special.timing),
    "audit": Kind(special.timing),
    "verify": Kind(special.timing),
    "verify_sample": Kind(special.sample),
    "maintenance": Kind(special.timing),
    "jitter": duration(zero=True),
}
SERVICE: Keys = {"drain": duration(zero=True)}
HTTP: Keys = {
    "listen": Kind(special.listen),
    "health_listen": Kind(special.listen),
    "token_file": path(secret_file=True),
    "token": secret(),
    "allowed_hosts": texts(special.host, example='["docs.example.org"]'),
}
NOTIFY: Keys = {
    "webhook_url_file": path(secret_file=True),
    "webhook_url": secret(),
    "webhook_format": choice("json", "slack", "feishu"),
    "webhook_secret_file": path(secret_file=True),
    "webhook_secret": secret(),
    "ping_url_file": path(secret_file=True),
    "ping_url": secret(),
    "ping_every": duration(at_least=1.0),
}

TABLES: Mapping[str, Keys] = {
    "fastgpt": FASTGPT,
    "ledger": LEDGER,
    "schedule": SCHEDULE,
    "service": SERVICE,
    "http": HTTP,
    "notify": NOTIFY,
}

SOURCE: Keys = {
    "name": name(),
    "path": path(),
    "dataset": label("the name or the id of a dataset"),
    "folder": Kind(special.folder),
    "include": texts(special.pattern, example='["**/*.md"]'),
    "exclude": texts(special.pattern, example='["drafts/"]'),
    "watch": choice("auto", "events", "poll", "off"),
    "poll": duration(at_least=1.0),
    "settle": duration(zero=True),
    "tags": texts(special.tag, example='["handbook"]'),
    "encodings": texts(special.encoding, example='["utf-8", "gb18030"]', empty=False),
    "max_size": size(),
}
TRAINING: Keys = {
    "mode": choice("chunk", "qa"),
    "chunk_size": whole(64, 1_000_000),
    "chunk_split_mode": choice("size", "char", "paragraph"),
    "chunk_splitter": text(),
    "index_size": whole(1, 1_000_000),
    "paragraph_chunk_deep": whole(0, 8),
    "paragraph_chunk_min_size": whole(1, 1_000_000),
    "chunk_trigger_type": choice("minSize", "forceChunk", "maxSize"),
    "chunk_trigger_min_size": whole(1, 1_000_000),
    "qa_prompt": text(),
    "auto_indexes": flag(),
    "image_index": flag(),
    "index_prefix_title": flag(),
    "custom_pdf_parse": flag(),
    "data_enhance_collection_name": flag(),
}
VERIFY: Keys = {"probes": whole(0, 10), "search_mode": choice("embedding", "fullTextRecall", "mixedRecall")}
DELETE: Keys = {"max_count": whole(0, 1_000_000_000), "max_percent": percent(), "grace": duration(zero=True)}

SUBTABLES: Mapping[str, Keys] = {"training": TRAINING, "verify": VERIFY, "delete": DELETE}

# Given any of these, FastGPT must be told that the settings are ours: it ignores them otherwise (measured).
CUSTOM_CHUNKS = frozenset(
    {
        "chunk_size",
        "chunk_split_mode",
        "chunk_splitter",
        "index_size",
        "paragraph_chunk_deep",
        "paragraph_chunk_min_size",
        "chunk_trigger_type",
        "chunk_trigger_min_size",
    }
)


def camel(key: str) -> str:
    """FastGPT's spelling of a training key: ``chunk_size`` is ``chunkSize``."""
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)
