"""The files that `syncd scaffold` writes, of the version that runs.

Templates lie in ``syncd/assets``; ``$name`` is filled in, ``$$`` is a dollar sign. In JSON, where Grafana's own
variables begin with one, ``@VERSION@`` is filled in and nothing else. Units, Dockerfile and lock file have one home,
the top of the repository, and are part of the wheel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from syncd import __version__
from syncd.errors import UsageError

KINDS: Mapping[str, str] = {
    "docker": "a Dockerfile for an image of your own, with its lock file",
    "compose": "an override beside FastGPT's compose file",
    "k8s": "a native sidecar with git-sync; with --shards a StatefulSet",
    "systemd": "the units, and drop-ins for what they cannot know",
    "github": "a workflow for a repository of documents",
    "gitlab": "jobs for a repository of documents",
    "pre-commit": "hooks",
    "prometheus": "alert rules",
    "grafana": "a dashboard",
}
_ASSETS = Path(__file__).parent / "assets"
_TOP = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class File:
    """One file: its path below where it is written to, and its text."""

    path: str
    content: str


def files(kind: str, *, shards: int = 1) -> list[File]:
    """The files of one kind.

    Raises:
        UsageError: there is no such kind, or shards make no sense for it.
    """
    if kind not in KINDS:
        import difflib

        near = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.5)
        hint = f'did you mean "{near[0]}"?' if near else ", ".join(KINDS)
        raise UsageError(f'there is nothing called "{kind}" to scaffold', hint=hint)
    if shards != 1 and kind != "k8s":
        raise UsageError("--shards is for k8s", hint=f"elsewhere set SYNCD_SHARD=i/{shards} for each instance")
    if kind == "docker":
        lock = _home("requirements.lock").read_text(encoding="utf-8")
        return [File("Dockerfile", _dockerfile()), File("requirements.lock", f"# syncd {__version__}\n{lock}")]
    if kind == "systemd":
        units = _home("systemd")
        return [
            File(str(path.relative_to(units)), f"# syncd {__version__}\n{path.read_text(encoding='utf-8')}")
            for path in sorted(units.rglob("*"))
            if path.is_file()
        ]
    values = {"version": __version__, "shards": str(shards)}
    chosen = sorted((_ASSETS / kind).iterdir())
    if kind == "k8s":
        chosen = [path for path in chosen if path.stem == ("sidecar" if shards == 1 else "statefulset")]
    return [File(path.name, _filled(path, values)) for path in chosen]


def _filled(path: Path, values: Mapping[str, str]) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return text.replace("@VERSION@", values["version"])
    return Template(text).substitute(values)


def _home(name: str) -> Path:
    """In the wheel below the assets, in a clone at its top."""
    packed = _ASSETS / name
    return packed if packed.exists() else _TOP / name


def _dockerfile() -> str:
    """The repository's own Dockerfile, but it takes syncd from the package index: there is no clone to build from."""
    text = _home("Dockerfile").read_text(encoding="utf-8")
    text = text.replace(
        "ARG SYNCD=/src\nCOPY . /src\n", f"ARG SYNCD=syncd=={__version__}\nCOPY requirements.lock /src/\n"
    )
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("#   docker build")]
    head = f"# syncd {__version__}: docker build -t syncd:{__version__} .\n"
    return head + "".join(lines).replace("#\nARG PYTHON", "ARG PYTHON")


def write(made: list[File], folder: Path, *, force: bool) -> list[Path]:
    """Write files; all or nothing when some are there already.

    Raises:
        UsageError: some exist and ``force`` was not given, or the folder cannot be written.
    """
    targets = [folder / file.path for file in made]
    existing = [str(target) for target in targets if target.exists()]
    if existing and not force:
        raise UsageError(f"there already: {', '.join(existing)}", hint="--force writes over them")
    try:
        for target, file in zip(targets, made, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.content, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}") from error
    return targets


def printed(made: list[File]) -> str:
    """Several files as one text: YAML as documents, others under the name of each."""
    if len(made) == 1:
        return made[0].content
    if all(file.path.endswith((".yml", ".yaml")) for file in made):
        return "---\n".join(file.content for file in made)
    return "\n".join(f"# file: {file.path}\n{file.content}" for file in made)
