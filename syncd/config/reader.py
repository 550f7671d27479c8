"""From the tables of a configuration file to checked values, or to the list of everything wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from syncd import shards
from syncd.addresses import host_of_listen, is_loopback
from syncd.config import apikey, environment, installed, openness
from syncd.config.document import Document, Table, unknown
from syncd.config.kinds import describe
from syncd.config.schema import TABLES, VERSION
from syncd.config.sources import Sources
from syncd.config.values import (
    NO_SECRET,
    Config,
    FastGPT,
    Http,
    LedgerConfig,
    Notify,
    Schedule,
    Secret,
    Service,
)
from syncd.shards import Shard

Blame = Callable[[str], None]

SHORTEST_TOKEN = 16  # characters, where others than this machine may try it

SECRETS = tuple(
    (table, key)
    for table, keys in TABLES.items()
    for key, kind in keys.items()
    if kind.hidden and not key.endswith("_file")
)


def read(document: Document) -> Config | None:
    """Return the whole configuration; None when anything is wrong, and then all of it has been reported."""
    _check_top(document)
    overrides = environment.overrides(document.env, document.problems)
    given = {name: {**document.table(name), **overrides[name]} for name in TABLES}
    fastgpt = _fastgpt(document, given["fastgpt"])
    ledger = _ledger(document, given["ledger"])
    schedule = Schedule(**given["schedule"])
    service = Service(**given["service"])
    http = _http(document, given["http"])
    notify = _notify(document, given["notify"])
    _warn_about_open_file(document)
    shard = _shard(document)
    sources = Sources(document).all()
    if document.problems or fastgpt is None or ledger is None:
        return None
    return Config(
        document.path,
        fastgpt,
        ledger,
        schedule,
        http,
        sources,
        document.problems.warnings(),
        service,
        notify,
        shard,
    )


def _check_top(document: Document) -> None:
    known = ("version", *TABLES, "source")
    for key, value in document.tables.items():
        if key not in known:
            what = "table" if isinstance(value, dict | list) else "key"
            document.problem((key,), unknown(what, key, known))
    version = document.tables.get("version")
    if version is None:
        document.problem((), f'"version" is missing; write version = {VERSION} at the top')
    elif type(version) is not int or version != VERSION:
        text = f'"version" must be {VERSION}, the only one that this syncd reads, not {describe(version)}'
        document.problem(("version",), text)


def _fastgpt(document: Document, given: Table) -> FastGPT | None:
    if "base_url" not in given and not _broken(document, given, "base_url"):
        document.problem(("fastgpt",), '[fastgpt]: "base_url" is missing; write the address of FastGPT')
    key, origin, key_file = _key(document, given)
    values = {name: value for name, value in given.items() if name not in ("api_key", "api_key_file")}
    if "ca_file" in values:
        values["ca_file"] = _certificates(document, values["ca_file"], _blame(document, "fastgpt", "ca_file"))
    if key is None or "base_url" not in values:
        return None
    return FastGPT(api_key=key, api_key_origin=origin, api_key_file=key_file, **values)


def _key(document: Document, given: Table) -> tuple[Secret | None, str, Path | None]:
    """Return the API key, where it came from, and the file. A place that is stated but broken is not passed over."""
    if _broken(document, given, "api_key_file") or _broken(document, given, "api_key"):
        return None, "", None
    places = apikey.candidates(
        given,
        document.env,
        document.absolute,
        lambda key: _blame(document, "fastgpt", key),
        lambda variable: _blame_credential(document, variable),
    )
    of_service = installed.key_file(document.path)
    if len(places) > 1 and places[0].file == of_service and places[1].origin.startswith("credential "):
        places.pop(0)  # the same key: the file may be root's alone, so systemd has handed its content over
    if not places and of_service is not None and os.path.lexists(of_service):
        places.append(apikey.Candidate(f"key {of_service}", _at_top(document), file=of_service))
    if places:
        _warn_if_open(document, places[0], "the key", "fastgpt", places[0].stated_as)
        return apikey.read(places[0]), places[0].origin, places[0].file
    document.problem(
        ("fastgpt",),
        "[fastgpt]: no API key; name its file in api_key_file, or set SYNCD_API_KEY_FILE or SYNCD_API_KEY",
    )
    return None, "", None


def _blame_credential(document: Document, variable: str) -> Blame:
    """As for any variable; of a credential it is told where systemd takes it from."""
    blame, of_service = document.problems.blame_variable(variable), installed.key_file(document.path)
    if variable != "CREDENTIALS_DIRECTORY" or of_service is None:
        return blame
    return lambda text: blame(f"{text}; systemd takes it from {of_service}")


def _at_top(document: Document) -> Blame:
    """Return what reports a problem with the key that nothing in the configuration speaks of."""
    return lambda text: document.problem(("fastgpt",), f"[fastgpt]: the key beside this file {text}")


def _broken(document: Document, given: Table, key: str) -> bool:
    """Whether a key of ``[fastgpt]`` is stated somewhere but wrong, which has been reported by now."""
    stated = document.states("fastgpt", key) or environment.variable("fastgpt", key) in document.env
    return stated and key not in given


def _blame(document: Document, table: str, key: str) -> Blame:
    """Return what reports a problem with a value where it was stated: in the environment or in the file."""
    variable = environment.variable(table, key)
    if variable in document.env:
        return document.problems.blame_variable(variable)
    return lambda text: document.problem((table, key), f'[{table}]: "{key}" {text}')


def _warn_about_open_file(document: Document) -> None:
    """The configuration holds a secret itself, and others can read it."""
    stated = [(name, key) for name, key in SECRETS if document.states(name, key)]
    if stated and openness.others_can_read(document.path):
        name, key = stated[0]
        document.warn(
            (name, key),
            f"[{name}]: others can read the {'key' if key == 'api_key' else 'secret'} in this file; move it to a file "
            f"of its own ({key}_file), or take their right to read: chmod 600",
        )


def _warn_if_open(document: Document, found: apikey.Candidate, what: str, table: str, key: str) -> None:
    """A file with a secret that others can read; what systemd has handed over is read by nobody else."""
    if found.file is None or found.handed_over or not openness.others_can_read(found.file):
        return
    text = openness.warning(what, found.file)
    variable = key if key.startswith(environment.PREFIX) else environment.variable(table, key)
    if variable in document.env:
        document.problems.warn_of_variable(f"{variable}: {text}")
    else:
        document.warn((table, key), f"[{table}]: {text}")


def _certificates(document: Document, written: str, blame: Blame) -> Path:
    """The file, opened once: that it holds no certificate would show as a server that cannot be trusted."""
    import ssl

    file = document.absolute(written)
    if not os.path.isfile(file):
        blame(f"names a file that does not exist: {file}")
        return file
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError as error:
        blame(f"names a file without usable certificates (PEM): {file}: {error.reason or error}")
    except OSError as error:
        blame(f"names a file that cannot be read: {file}: {error.strerror}")
    return file


def _ledger(document: Document, given: Table) -> LedgerConfig | None:
    path = document.absolute(given["path"]) if "path" in given else default_ledger(document)
    if path is None:
        text = '[ledger]: "path" is missing, and there is no home directory to put the ledger into'
        document.problem(("ledger",), text)
        return None
    if os.path.isdir(path):
        _blame(document, "ledger", "path")(f"must name a file, but is a directory: {path}")
    return LedgerConfig(**{**given, "path": path})


def _http(document: Document, given: Table) -> Http:
    values = {name: value for name, value in given.items() if name not in ("token", "token_file")}
    http = Http(**values, token=_secret(document, "http", given, "token", credential="http-token"))
    listens, health = http.listen, http.health_listen
    if health and health == listens and not health.endswith(":0"):
        _blame(document, "http", "health_listen")('must be another address than "listen"; leave it out for one port')
    short = 0 < len(http.token.reveal()) < SHORTEST_TOKEN
    if short and listens and not is_loopback(host_of_listen(listens)):
        key = "token_file" if "token_file" in given else "token"
        _blame(document, "http", key)(
            f"gives a token of fewer than {SHORTEST_TOKEN} characters, and others than this machine can try it at "
            f"{listens}; make one with: head -c 24 /dev/urandom | base64"
        )
    return http


def _notify(document: Document, given: Table) -> Notify:
    secrets = ("webhook_url", "webhook_secret", "ping_url")
    values = {name: value for name, value in given.items() if name.removesuffix("_file") not in secrets}
    found = {name: _secret(document, "notify", given, name) for name in secrets}
    for name in ("webhook_url", "ping_url"):
        if found[name] and not _is_url(found[name].reveal()):
            _blame(document, "notify", name)('must be an address that begins with "https://" or "http://"')
    return Notify(**{**values, **found})


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _secret(document: Document, table: str, given: Table, key: str, *, credential: str = "") -> Secret:
    """A secret from ``KEY_file``, a credential of systemd, or ``KEY``; an empty one when none is stated."""
    directory = document.env.get("CREDENTIALS_DIRECTORY")
    if f"{key}_file" in given:
        found = apikey.Candidate(
            f"{key}_file", _blame(document, table, f"{key}_file"), file=document.absolute(given[f"{key}_file"])
        )
        _warn_if_open(document, found, "the secret", table, f"{key}_file")
    elif credential and directory and os.path.lexists(file := Path(directory) / credential):
        found = apikey.Candidate(credential, document.problems.blame_variable("CREDENTIALS_DIRECTORY"), file=file)
    elif given.get(key):
        found = apikey.Candidate(key, _blame(document, table, key), value=given[key])
    else:
        return NO_SECRET
    return apikey.read(found, what="a secret") or NO_SECRET


def _shard(document: Document) -> Shard | None:
    text = document.env.get(shards.VARIABLE, "")
    try:
        return shards.parse(text) if text else None
    except ValueError as error:
        document.problems.variable(f"{shards.VARIABLE} {error}")
        return None


def default_ledger(document: Document) -> Path | None:
    """Where the ledger is when the configuration does not say; ``None`` without a home directory."""
    state = document.env.get("STATE_DIRECTORY", "").split(":")[0]
    if state:
        return Path(state) / "ledger.db"
    if (of_service := installed.ledger(document.path)) is not None:
        return of_service
    home = xdg_home(document.env, "XDG_STATE_HOME", ".local/state")
    return home / "syncd" / "ledger.db" if home else None


def xdg_home(env: Mapping[str, str], variable: str, below_home: str) -> Path | None:
    """Return a directory of the XDG base directory specification; None when there is no home directory.

    Relative values are ignored, as the specification asks.
    """
    stated = env.get(variable, "")
    if os.path.isabs(stated):
        return Path(stated)
    home = env.get("HOME") or os.path.expanduser("~")
    return Path(home) / below_home if os.path.isabs(home) else None
