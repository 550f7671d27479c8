"""`syncd doctor`: looks at everything that must be right, and says what to do about what is not."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from syncd import bundle as bundles
from syncd import checkup
from syncd.checkup import Finding
from syncd.config import Config, load
from syncd.errors import EXIT_CONFIG, EXIT_REFUSED, AccountRefused, ConfigError, SyncdError
from syncd.fastgpt.models import Dataset
from syncd.service import make_client

__all__ = ["Finding", "bundle", "examine"]


async def examine(path: Path | None, env: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look at configuration, ledger, folders, machine and server; never raises for what it finds."""
    findings: list[Finding] = []
    try:
        config = load(path, env=env)
    except ConfigError as error:
        return [
            Finding("configuration", "error", problem, error.hint or "see config.example.toml", EXIT_CONFIG)
            for problem in error.problems
        ]
    findings.append(Finding("configuration", "ok", f"{config.path}: {len(config.sources)} source(s)"))
    findings += [Finding("configuration", "warning", text) for text in config.warnings]
    findings.append(Finding("key", "ok", f"the key comes from {config.fastgpt.api_key_origin}"))
    findings += checkup.ledger(config)
    for source in config.sources:
        findings += checkup.folder(source)
    findings += checkup.machine()
    findings += await _server(config)
    return findings


async def bundle(path: Path | None, env: Mapping[str, str], target: Path) -> None:
    """Write a redacted ZIP for a bug report.

    Raises:
        FileExistsError: the target exists.
    """
    bundles.write(await examine(path, env), path, env, target)


async def _server(config: Config) -> list[Finding]:
    findings: list[Finding] = []
    url = config.fastgpt.base_url
    async with make_client(config) as client:
        through = f"requests go through {client.proxy}, as the environment says (http_proxy, https_proxy, no_proxy)"
        proxy = [Finding("proxy", "ok", through)] if client.proxy else []
        try:
            began = time.perf_counter()
            datasets = await client.datasets()
            milliseconds = (time.perf_counter() - began) * 1000
        except SyncdError as error:
            return [*proxy, Finding("server", "error", f"{url}: {error.message}", error.hint, error.exit_code)]
        findings += proxy
        findings.append(Finding("server", "ok", f"{url} answers in {milliseconds:.0f} ms and takes the key"))
        try:
            dialect = await client.detect()
            known = dialect.name != "unknown"
            findings.append(
                Finding(
                    "version of FastGPT",
                    "ok" if known else "warning",
                    f"speaks as {dialect.name}" + (f" ({', '.join(dialect.quirks)})" if dialect.quirks else ""),
                    "" if known else "syncd was tested with 4.12 to 4.16; run `syncd sync` on a test dataset first",
                )
            )
            findings.append(_key_kind(await client.key_kind()))
        except SyncdError as error:
            findings.append(Finding("server", "warning", error.message, error.hint))
        listed = [(d.id, d.name, d.type) for d in datasets]
        wanted = dict.fromkeys(source.dataset for source in config.sources)
        findings += [await _dataset(client.dataset, listed, reference) for reference in wanted]
        findings += await _may_create(client.may_create)
    return findings


async def _may_create(ask: Callable[[], Awaitable[None]]) -> list[Finding]:
    """A server on which nobody has ever logged in answers every wish for a dataset with an error of its own code."""
    try:
        await ask()
    except AccountRefused as error:
        return [Finding("making datasets", "error", error.message, error.hint, error.exit_code)]
    except SyncdError as error:
        return [Finding("making datasets", "warning", error.message, error.hint)]
    return []


def _key_kind(kind: str) -> Finding:
    if kind == "app":
        return Finding(
            "kind of key",
            "warning",
            "this is an app-specific key",
            "it works on datasets today, but FastGPT documents the global key for that: make one under API keys",
        )
    if kind == "global":
        return Finding("kind of key", "ok", "this is a global key")
    return Finding("kind of key", "ok", "the server does not tell whether the key is global or app-specific")


async def _dataset(
    detail: Callable[[str], Awaitable[Dataset]], known: Sequence[tuple[str, str, str]], reference: str
) -> Finding:
    matches = [id_ for id_, name, kind in known if kind == "dataset" and reference in (id_, name)]
    check = f"dataset {reference}"
    if len(matches) > 1:
        return Finding(
            check,
            "error",
            f"{len(matches)} datasets have this name: {', '.join(matches)}",
            "write the id instead",
            EXIT_CONFIG,
        )
    looks_like_id = len(reference) == 24 and all(c in "0123456789abcdef" for c in reference)
    if not matches and not looks_like_id:
        return Finding(check, "ok", "does not exist yet; the first sync makes it")
    try:
        dataset = await detail(matches[0] if matches else reference)
    except SyncdError as error:
        return Finding(check, "error", error.message, error.hint, error.exit_code)
    if not dataset.can_write:
        return Finding(
            check,
            "error",
            "the key may read it but not write to it",
            "give the member who made the key write permission on it",
            EXIT_REFUSED,
        )
    if not dataset.can_manage:
        return Finding(
            check,
            "warning",
            "the key may write, but not manage it",
            "FastGPT from 4.17 on asks for manage permission to delete collections",
        )
    model = f", embedding model {dataset.vector_model}" if dataset.vector_model else ""
    return Finding(check, "ok", f"may be written and managed{model}")
