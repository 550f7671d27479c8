"""Where the API key comes from. The first place that is stated decides; no message shows the key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from syncd.config.values import Secret

CREDENTIAL = "fastgpt-api-key"
_LARGEST_KEY_FILE = 65536


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place a key may come from: what it is called, where problems with it belong, how to read it.

    ``stated_as`` is the key or the variable that names its file; ``handed_over`` one that systemd gives us alone.
    """

    origin: str
    problem: Callable[[str], None]
    file: Path | None = None
    value: str = ""
    stated_as: str = "api_key_file"
    handed_over: bool = False


def candidates(
    settings: Mapping[str, str],
    env: Mapping[str, str],
    absolute: Callable[[str], Path],
    in_file: Callable[[str], Callable[[str], None]],
    in_env: Callable[[str], Callable[[str], None]],
) -> list[Candidate]:
    """Return every stated place, the one that wins first (design 8).

    Args:
        settings: ``api_key_file`` and ``api_key`` as far as the configuration states them.
        env: the environment.
        absolute: makes a written path absolute.
        in_file: gives for a key of ``[fastgpt]`` the function that reports a problem with it.
        in_env: the same for an environment variable.
    """
    found = []
    if "api_key_file" in settings:
        file = absolute(settings["api_key_file"])
        found.append(Candidate(f"api_key_file {file}", in_file("api_key_file"), file=file))
    directory = env.get("CREDENTIALS_DIRECTORY")
    if directory and os.path.lexists(credential := Path(directory) / CREDENTIAL):
        found.append(
            Candidate(f"credential {credential}", in_env("CREDENTIALS_DIRECTORY"), file=credential, handed_over=True)
        )
    if "SYNCD_API_KEY_FILE" in env:
        written = env["SYNCD_API_KEY_FILE"]
        found.append(
            Candidate(
                "SYNCD_API_KEY_FILE",
                in_env("SYNCD_API_KEY_FILE"),
                file=absolute(written) if written else None,
                stated_as="SYNCD_API_KEY_FILE",
            )
        )
    if "SYNCD_API_KEY" in env:
        found.append(Candidate("SYNCD_API_KEY", in_env("SYNCD_API_KEY"), value=env["SYNCD_API_KEY"]))
    if "api_key" in settings:
        found.append(Candidate("api_key in the configuration", in_file("api_key"), value=settings["api_key"]))
    return found


def read(candidate: Candidate, what: str = "an API key") -> Secret | None:
    """Return the key of one place, or None after having reported why it cannot be used."""
    try:
        text = _read_file(candidate.file) if candidate.file else candidate.value
        return Secret(_checked(text, what))
    except ValueError as error:
        candidate.problem(str(error))
        return None


def again(file: Path) -> str | None:
    """The key that a file holds now; ``None`` when it holds none that can be used."""
    try:
        return _checked(_read_file(file), "an API key")
    except ValueError:
        return None


def _read_file(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(_LARGEST_KEY_FILE + 1)
    except FileNotFoundError:
        raise ValueError(f"names a file that does not exist{_where(file)}; put it there, alone on one line") from None
    except OSError as error:
        raise ValueError(f"names a file that cannot be read{_where(file)}: {error.strerror}") from None
    if len(data) > _LARGEST_KEY_FILE:
        raise ValueError(f"names a file that is too large for a key: {file}")
    # Only ASCII is allowed below, so each byte may stand for itself.
    return data.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def _where(file: Path) -> str:
    """Where a file is that cannot be read. A name that no file has is not shown: it may be the secret itself."""
    if os.path.lexists(file):
        return f": {file}"
    return f" in {file.parent}" if os.path.isdir(file.parent) else ""


def _checked(text: str, what: str) -> str:
    key = text.removesuffix("\n").removesuffix("\r")
    if not key.strip():
        remedy = (
            "put FastGPT's global key (API keys of the account) there" if what == "an API key" else "write it there"
        )
        raise ValueError(f"gives an empty {what.split(maxsplit=1)[1]}; {remedy}")
    if any(character.isspace() for character in key):
        raise ValueError(f"gives {what} with blanks or line breaks in it; it must be one word on one line")
    if not all("!" <= character <= "~" for character in key):
        raise ValueError(f"gives {what} with characters that no key has; copy it again")
    return key
