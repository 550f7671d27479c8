"""`syncd scaffold`: every file is of this version, and what it says is true of this program."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from cli_site import REPOSITORY, Site, clean_environment
from exercised import add

from syncd import __version__, cli, config, errors, scaffolding, shards
from syncd.commands import LATER, TABLE
from syncd.config import Service
from syncd.models import Verdict
from syncd.standing import STATES
from syncd.web import metrics

KINDS = tuple(scaffolding.KINDS)
UNITS = ("syncd.service", "syncd@.service", "syncd-sync.service")


def _run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """One call of the command line: exit code, output, errors."""
    code = cli.run(["scaffold", *args])
    out, err = capsys.readouterr()
    return code, out, err


def _files(kind: str, number: int = 1) -> dict[str, str]:
    return {file.path: file.content for file in scaffolding.files(kind, shards=number)}


def _all_texts() -> Iterator[tuple[str, str]]:
    """Every file of every kind, with a name for messages."""
    for kind in KINDS:
        yield from ((f"{kind}/{path}", text) for path, text in _files(kind).items())
    yield from ((f"k8s shards/{path}", text) for path, text in _files("k8s", 3).items())


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_prints_and_writes_the_same(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed, what --json holds and what --out writes are the same files, each of this version."""
    made = _files(kind)
    code, printed, _ = _run(capsys, kind)
    assert (0, True) == (code, all(text.strip() in printed for text in made.values()))
    code, out, _ = _run(capsys, kind, "--json")
    document = json.loads(out)
    assert ("syncd.scaffold/1", kind) == (document["schema"], document["kind"])
    assert made == {file["path"]: file["content"] for file in document["files"]}
    code, out, err = _run(capsys, kind, "--out", str(tmp_path / "new" / "folder"))
    written = {
        str(path.relative_to(tmp_path / "new" / "folder")): path.read_text(encoding="utf-8")
        for path in (tmp_path / "new" / "folder").rglob("*")
        if path.is_file()
    }
    assert (0, "", made) == (code, out, written)
    assert all(path in err for path in made)
    assert [] == [path for path, text in made.items() if __version__ not in text]
    add("scaffolded files", len(made))


@pytest.mark.parametrize("kind", ["systemd", "compose"])
def test_what_exists_is_never_written_over(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file that is there already keeps all others from being written, unless --force says otherwise."""
    made = _files(kind)
    last = tmp_path / list(made)[-1]
    last.parent.mkdir(parents=True, exist_ok=True)
    last.write_text("mine")
    code, _, err = _run(capsys, kind, "--out", str(tmp_path))
    assert (2, True, True) == (code, str(last) in err, "--force" in err)
    assert ["mine"] == [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    code, _, _ = _run(capsys, kind, "--out", str(tmp_path), "--force")
    assert (0, made[list(made)[-1]]) == (code, last.read_text(encoding="utf-8"))


def test_where_nothing_can_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that cannot be made is an error of usage that names it."""
    (tmp_path / "file").touch()
    code, _, err = _run(capsys, "compose", "--out", str(tmp_path / "file" / "below"))
    assert (2, True) == (code, str(tmp_path / "file") in err)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("kubernets",), "kubernets"),
        (("dockr",), 'did you mean "docker"?'),
        (("zzz",), "grafana"),
        (("compose", "--shards", "3"), "SYNCD_SHARD=i/3"),
        (("k8s", "--shards", "0"), "0 is not in the range"),
        (("k8s", "--shards", "-1"), "-1 is not in the range"),
        ((), "KIND"),
    ],
)
def test_wrong_words_are_refused(args: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown kind is told with the nearest or all; --shards is for k8s and at least 1."""
    code, out, err = _run(capsys, *args)
    assert (2, "", True) == (code, out, said in err), err


def test_the_help_names_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """`syncd scaffold --help` lists all kinds."""
    _, text, _ = _run(capsys, "--help")
    assert [] == [kind for kind in KINDS if kind not in text]


# ---------------------------------------------------------------- what the files say of syncd's command line


def _calls(text: str) -> list[str]:
    """The calls of syncd in a file: a line of a script, an entry of a hook, or words in backquotes."""
    lines = re.findall(
        r"^\s*(?:-\s+|entry:\s+(?:env \S+ )?|Exec\w+=/opt/syncd/bin/)?(syncd [a-z][^`]*?)$", text, re.MULTILINE
    )
    quoted = re.findall(r"`(syncd [^`]*)`", text)
    return [*lines, *quoted]


def _checked(call: str) -> None:
    """Fail unless this program takes that call."""
    words = shlex.split(call.split(" >")[0])[1:]
    for variable, value in (("$MAINPID", "1"), ("DIR", "dir"), ("N", "2")):
        words = [value if word == variable else word for word in words]
    assert words[0] in TABLE, call
    assert words[0] not in LATER, f"{call}: not yet"
    command = cli.cli.get_command(click.Context(cli.cli), words[0])
    assert command is not None
    command.make_context(words[0], words[1:])


def test_every_call_of_syncd_in_them_is_one_that_it_takes() -> None:
    """Commands, options and arguments in scripts, units, hooks and hints exist; none of them says "not yet"."""
    found = {(name, call) for name, text in _all_texts() for call in _calls(text)}
    for call in sorted({call for _, call in found}):
        # `syncd release {{ $labels.source }}`
        _checked(re.sub(r"\{\{.*?\}\}", "name", call))
        add("calls in scaffolds", 1)
    callers = {name.split("/")[0] for name, _ in found}
    assert {"systemd", "github", "gitlab", "pre-commit", "prometheus", "k8s shards"} <= callers, callers


@pytest.mark.parametrize(
    "call", ["syncd audit", "syncd sync --wat 1m", "syncd nonsense", "syncd scaffold k8s --shards 0"]
)
def test_a_wrong_call_would_be_noticed(call: str) -> None:
    """The test above can fail: wrong commands, wrong options, wrong values, and those that say "not yet"."""
    with pytest.raises((AssertionError, click.UsageError)):
        _checked(call)


# ---------------------------------------------------------------- image


def _image() -> dict[str, Any]:
    """What the Dockerfile gives a container: user, folders, configuration."""
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    found: dict[str, Any] = dict(re.findall(r"^\s+([A-Z_]+)=(\S+?)(?: \\)?$", text, re.MULTILINE))
    found["user"], found["group"] = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)[0]
    return found


def test_the_image_has_a_place_for_everything() -> None:
    """The image states its user, its state and its configuration; the others below build on that."""
    image = _image()
    assert ("10001", "0") == (image["user"], image["group"])
    assert ("/var/lib/syncd", "/etc/syncd/config.toml") == (image["STATE_DIRECTORY"], image["SYNCD_CONFIG"])


def test_the_dockerfile_outside_of_a_clone_takes_this_version() -> None:
    """What `scaffold docker` writes copies nothing from a clone, and is otherwise the repository's own."""
    text = _files("docker")["Dockerfile"]
    assert f"ARG SYNCD=syncd=={__version__}\n" in text
    assert not re.search(r"^COPY \.", text, re.MULTILINE)
    ours = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    mine = [line for line in text.splitlines() if not line.startswith(("#", "ARG SYNCD", "COPY requirements"))]
    assert [
        line for line in ours.splitlines() if not line.startswith(("#", "ARG SYNCD", "COPY . ", "COPY requirements"))
    ] == mine
    assert "/bin/sh" not in text
    assert "curl" not in text


# ---------------------------------------------------------------- compose


def test_the_compose_file_fits_image_and_configuration(tmp_path: Path) -> None:
    """Paths, secret and user in it are those of the image; with a minimal configuration syncd starts from them."""
    made = yaml.safe_load(_files("compose")["compose.syncd.yaml"])
    (service,) = made["services"].values()
    image = _image()
    mounts = dict(reversed(mount.removesuffix(":ro").split(":")) for mount in service["volumes"])
    assert "./syncd/config.toml" == mounts[image["SYNCD_CONFIG"]]
    assert mounts[image["STATE_DIRECTORY"]] in made["volumes"]
    assert f"${{PUID:-{image['user']}}}:{image['group']}" == service["user"]
    assert f"syncd:{__version__}" == service["image"]
    (secret,) = service["secrets"]
    assert f"/run/secrets/{secret}" == service["environment"]["SYNCD_API_KEY_FILE"]
    assert secret in made["secrets"]
    assert set(service["networks"]) <= set(made["networks"])
    assert (True, ["ALL"], ["/tmp"]) == (service["read_only"], service["cap_drop"], service["tmpfs"])  # noqa: S108
    assert int(service["stop_grace_period"].removesuffix("s")) > Service().drain
    path = tmp_path / "config.toml"
    path.write_text('version = 1\n[[source]]\nname = "docs"\npath = "/docs"\ndataset = "Docs"\n')
    loaded = config.load(path, env=_environment(service["environment"], tmp_path))
    assert (1, "http://fastgpt:3000/api") == (len(loaded.sources), loaded.fastgpt.base_url)


def _environment(given: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a container, with a key where it says there is one, and what the image sets."""
    key = tmp_path / "key"
    key.write_text("fastgpt-key-0123456789")
    assert given["SYNCD_API_KEY_FILE"].startswith("/run/secrets/")
    return {"STATE_DIRECTORY": str(tmp_path), **given, "SYNCD_API_KEY_FILE": str(key)}


# ---------------------------------------------------------------- Kubernetes


def _objects(number: int) -> dict[str, Any]:
    (text,) = _files("k8s", number).values()
    return {made["kind"]: made for made in yaml.safe_load_all(text)}


def _pod(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod's specification and syncd's container in it."""
    made = _objects(number)
    pod = made["Deployment" if number == 1 else "StatefulSet"]["spec"]["template"]["spec"]
    (container,) = [one for one in pod.get("initContainers", []) + pod["containers"] if one["name"] == "syncd"]
    return pod, container


def _expanded(container: dict[str, Any], labels: dict[str, str]) -> dict[str, str]:
    """The environment as Kubernetes makes it: in order, from values, labels and `$(NAME)` of what came before."""
    env: dict[str, str] = {}
    for row in container["env"]:
        if "valueFrom" in row:
            field = row["valueFrom"]["fieldRef"]["fieldPath"]
            value = labels[re.fullmatch(r"metadata\.labels\['(.+)'\]", field)[1]]  # type: ignore[index]
        else:
            value = re.sub(r"\$\(([A-Z_]+)\)", lambda match: env.get(match[1], match[0]), row["value"])
        env[row["name"]] = value
    return env


@pytest.mark.parametrize("number", [1, 3])
def test_the_manifests_fit_image_configuration_and_server(number: int, tmp_path: Path) -> None:
    """Mounts, key, user, port and probes of the manifest are those of image and server; its configuration is valid."""
    made, (pod, container), image = _objects(number), _pod(number), _image()
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"] for volume in pod["volumes"]}
    volumes |= {
        c["metadata"]["name"] for c in made.get("StatefulSet", {}).get("spec", {}).get("volumeClaimTemplates", [])
    }
    assert [] == [mount["name"] for mount in mounts.values() if mount["name"] not in volumes]
    assert image["STATE_DIRECTORY"] in mounts
    assert str(Path(image["SYNCD_CONFIG"]).parent) in mounts
    assert "/tmp" in mounts  # noqa: S108
    security = pod["securityContext"]
    assert (int(image["user"]), int(image["group"])) == (security["runAsUser"], security["runAsGroup"])
    assert True is container["securityContext"]["readOnlyRootFilesystem"]
    env = _expanded(container, {"apps.kubernetes.io/pod-index": "0"})
    (name,) = made["Secret"]["stringData"]
    place = next(path for path, mount in mounts.items() if mount["name"] == "key")
    assert f"{place}/{name}" == env["SYNCD_API_KEY_FILE"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert env["SYNCD_HTTP__LISTEN"] == f"0.0.0.0:{ports['http']}"
    assert env["SYNCD_HTTP__HEALTH_LISTEN"] == f"0.0.0.0:{ports['health']}"
    asked = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {("/livez", "health"), ("/readyz", "health")} == {(one["path"], one["port"]) for one in asked}
    assert pod["terminationGracePeriodSeconds"] > Service().drain
    path = tmp_path / "config.toml"
    path.write_text(made["ConfigMap"]["data"]["config.toml"])
    (source,) = config.load(path, env=_environment(env, tmp_path)).sources
    assert str(source.path).startswith("/docs")
    assert mounts["/docs"]["readOnly"] is True
    assert f"syncd:{__version__}" == container["image"]


@pytest.mark.parametrize("number", [2, 3, 16])
def test_the_pods_of_a_stateful_set_share_the_documents(number: int, tmp_path: Path) -> None:
    """Pod i of n becomes shard i/n, so that each document belongs to exactly one of them."""
    _, container = _pod(number)
    assert number == _objects(number)["StatefulSet"]["spec"]["replicas"]
    path = tmp_path / "config.toml"
    path.write_text(_objects(number)["ConfigMap"]["data"]["config.toml"])
    found = []
    for index in range(number):
        env = _environment(_expanded(container, {"apps.kubernetes.io/pod-index": str(index)}), tmp_path)
        assert f"{index}/{number}" == env[shards.VARIABLE]
        found.append(config.load(path, env=env).shard)
    for document in ("a.md", "b/c.md", "手册.md"):
        assert 1 == sum(shard.owns("handbook", document) for shard in found if shard is not None)


def test_one_shard_is_the_sidecar() -> None:
    """Without --shards, or with one, syncd is a native sidecar: an init container that is started again for ever."""
    assert ["sidecar.yaml"] == list(_files("k8s", 1))
    assert ["statefulset.yaml"] == list(_files("k8s", 2))
    pod, container = _pod(1)
    assert (container, "Always") == (pod["initContainers"][0], container["restartPolicy"])
    assert ("Recreate", 1) == (
        _objects(1)["Deployment"]["spec"]["strategy"]["type"],
        _objects(1)["Deployment"]["spec"]["replicas"],
    )


# ---------------------------------------------------------------- repositories of documents


def _jobs(kind: str) -> dict[str, tuple[list[str], dict[str, str]]]:
    """The commands and the environment of the jobs "plan" and "sync", with the secret left as it is written."""
    (text,) = _files(kind).values()
    made = yaml.safe_load(text)
    if kind == "gitlab":
        jobs = {name: made[f"syncd-{name}"] for name in ("plan", "sync")}
        return {name: (job["script"], job.get("variables", {})) for name, job in jobs.items()}
    steps = {name: next(s for s in made["jobs"][name]["steps"] if "env" in s) for name in ("plan", "sync")}
    return {name: (step["run"].splitlines(), step["env"]) for name, step in steps.items()}


def _with_secret(kind: str, env: dict[str, str], secret: str) -> dict[str, str]:
    """The environment of a job as the platform makes it; "" is a run that is not given the secret (a fork)."""
    if kind == "gitlab":
        filled = {name: re.sub(r"\$FASTGPT_API_KEY", secret or "$FASTGPT_API_KEY", was) for name, was in env.items()}
        return filled | ({"FASTGPT_API_KEY": secret} if secret else {})

    def value(found: re.Match[str]) -> str:
        return secret or (found[1] or "")

    return {
        name: re.sub(r"\$\{\{ secrets\.FASTGPT_API_KEY(?: \|\| '([^']*)')? \}\}", value, was)
        for name, was in env.items()
    }


class Repository:
    """A repository of documents whose jobs run as the platform runs them: a fresh clone, and no ledger, each time."""

    def __init__(self, kind: str, tmp_path: Path) -> None:
        self.kind, self.tmp = kind, tmp_path
        self.site = Site(tmp_path)
        text = (tmp_path / "config.toml").read_text()
        (tmp_path / "config.toml").write_text(text.replace('api_key_file = "key"\n', ""))
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "syncd"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m syncd "$@"\n')
        program.chmod(0o755)
        self.secret = self.site.key if kind == "github" else str(tmp_path / "key")

    def job(self, name: str, secret: str) -> subprocess.CompletedProcess[str]:
        """Run one job."""
        for left in (*self.tmp.glob("ledger.db*"), self.tmp / "plan.md", self.tmp / "proofs.json"):
            left.unlink(missing_ok=True)
        script, env = _jobs(self.kind)[name]
        paths = {
            "PATH": f"{self.tmp / 'bin'}:{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(self.tmp / "plan.md"),
        }
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
            cwd=self.tmp,
            env=clean_environment(**paths, **_with_secret(self.kind, env, secret)),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def plan(self, secret: str = "") -> str:
        """What the job of a pull request writes for its readers."""
        done = self.job("plan", secret)
        assert 0 == done.returncode, done.stderr
        return (self.tmp / "plan.md").read_text()

    def sync(self) -> None:
        """The job of the main branch, which must pass."""
        done = self.job("sync", self.secret)
        assert 0 == done.returncode, done.stdout + done.stderr
        proofs = json.loads((self.tmp / "proofs.json").read_text())
        assert {"found"} == {row["verdict"] for row in proofs["results"]}, proofs


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_the_jobs_of_a_repository_do_their_work(kind: str, tmp_path: Path) -> None:
    """Push after push without a ledger: what is new is proven, what was deleted is gone, nothing is sent twice."""
    repository = Repository(kind, tmp_path)
    site = repository.site
    site.fill(3)

    offline = repository.plan()
    assert "there is no ledger yet" in offline and "unless the server has it" in offline
    assert "| upload | otters.md |" in repository.plan(repository.secret)
    assert {} == site.visible()
    repository.sync()
    assert site.expected() == site.visible()
    before = site.visible_ids()

    (site.docs / "otters.md").unlink()
    site.write("hares.md", "# Hares\n\nThe hares of the moor change their coats in November.\n")
    planned = repository.plan(repository.secret)
    assert "| upload | hares.md |" in planned and "upload | walruses.md" not in planned, planned
    assert "docs/otters.md: its file is not here; search finds it" in planned.replace("\\", "")
    repository.sync()
    assert site.expected() == site.visible()
    assert before["walruses.md"] == site.visible_ids()["walruses.md"]

    repository.sync()  # a push that changes nothing
    assert site.expected() == site.visible()


def test_a_run_without_a_ledger_says_what_stayed(tmp_path: Path) -> None:
    """A deleted document that only the server remembers is named, with an exit code; a retired one is no alarm."""
    site = Site(tmp_path)
    site.fill(3)
    site.run("sync", code=0)
    (site.docs / "otters.md").unlink()
    site.lose_ledger()

    left = site.run("sync", "--json", code=6).json["orphans"]
    assert [("docs", "otters.md", True)] == [(row["source"], row["path"], row["visible"]) for row in left]
    assert "syncd sync --stateless" in site.run("sync", code=6).out
    assert site.run("sync", "--stateless", "--json", code=0).json["orphans"] == []
    assert site.expected() == site.visible()
    site.lose_ledger()
    left = site.run("sync", "--json", code=0).json["orphans"]
    assert [("otters.md", False)] == [(row["path"], row["visible"]) for row in left]


def test_without_a_ledger_the_firewall_stands(tmp_path: Path) -> None:
    """A checkout without its documents does not empty the knowledge base, ledger or not (law 4)."""
    site = Site(tmp_path)
    site.fill(8)
    site.run("sync", code=0)
    before = site.visible()
    for path in sorted(site.docs.iterdir())[:6]:
        path.unlink()
    site.lose_ledger()

    held = site.run("sync", "--stateless", "--json", code=6).json
    assert [("limit", 6)] == [(hold["reason"], hold["count"]) for hold in held["holds"]]
    assert before == site.visible()


def test_the_hook_needs_no_key(tmp_path: Path) -> None:
    """The check before a commit works where nobody has given a key."""
    (hooks,) = [repo["hooks"] for repo in yaml.safe_load(_files("pre-commit")["pre-commit-config.yaml"])["repos"]]
    words = shlex.split(next(hook["entry"] for hook in hooks if hook["id"] == "syncd-check"))
    assert ["env", "SYNCD_API_KEY=offline", "syncd", "check"] == words
    site = Site(tmp_path)
    text = (tmp_path / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(text.replace('api_key_file = "key"\n', ""))
    site.run("check", code=0, SYNCD_API_KEY="offline")


# ---------------------------------------------------------------- alert rules and dashboard

_LABELS_OF_ALL = {"job", "instance", "le"}  # given by Prometheus
_VALUES = {
    "state": frozenset(STATES),
    "verdict": frozenset(Verdict),
    "mode": frozenset({"events", "poll", "off"}),
}


def _expressions() -> list[str]:
    rules = yaml.safe_load(_files("prometheus")["syncd.rules.yml"])
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    board = json.loads(_files("grafana")["syncd.json"])
    found += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    found += [row["query"] for row in board["templating"]["list"] if row["type"] == "query"]
    return found


def _unknown(expression: str) -> list[str]:
    """What an expression speaks of and syncd does not tell: metrics, labels, values of labels."""
    known = {row.name: row for row in metrics.TABLE}
    wrong = []
    for name, selector in re.findall(r"\b(syncd_\w+)(?:\{([^}]*)\})?", expression):
        base = re.sub(r"_(bucket|count|sum)$", "", name)
        row = known.get(name) or known.get(base)
        if row is None or (row.kind == "histogram") is not (name != row.name):
            wrong.append(name)
            continue
        for label, operator, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', selector):
            if label not in {*row.labels, *_LABELS_OF_ALL}:
                wrong.append(f"{name}{{{label}}}")
            elif operator in ("=", "!=") and value not in _VALUES.get(label, {value}):
                wrong.append(f'{name}{{{label}="{value}"}}')
        grouped = re.findall(r"\w+", ",".join(re.findall(r"\bby \(([^)]*)\)", expression)))
        wrong += [f"by {label}" for label in grouped if label not in {*row.labels, *_LABELS_OF_ALL}]
    return wrong


def test_alerts_and_dashboard_speak_of_what_is_told() -> None:
    """Every metric, label and value of a label in the rules and on the dashboard is one that syncd exports."""
    expressions = _expressions()
    assert [] == [(expression, wrong) for expression in expressions if (wrong := _unknown(expression))]
    named = {name for expression in expressions for name in re.findall(r"\bsyncd_\w+", expression)}
    assert len(named) > 10
    add("expressions of alerts and dashboard", len(expressions))


@pytest.mark.parametrize(
    "expression",
    [
        "syncd_nonsense",
        'syncd_documents{sauce="a"}',
        'syncd_documents{state="lost"}',
        "sum by (sauce) (syncd_documents)",
        "syncd_scan_seconds > 1",
        "rate(syncd_documents_bucket[5m])",
    ],
)
def test_a_wrong_expression_would_be_noticed(expression: str) -> None:
    """The test above can fail: unknown metrics, labels and values, histograms taken for gauges."""
    assert _unknown(expression)


# ---------------------------------------------------------------- units


def _unit(name: str) -> list[tuple[str, str]]:
    text = (REPOSITORY / "systemd" / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return [(key, value) for key, _, value in (line.partition("=") for line in lines)]


def test_the_units_are_equally_locked_up() -> None:
    """The three units differ in what they are for, not in what their process may do."""
    boxes = []
    for name in UNITS:
        settings = _unit(name)
        begin = [key for key, _ in settings].index("NoNewPrivileges")
        boxes.append([row for row in settings[begin:] if row[0] != "WantedBy"])
    assert [boxes[0], boxes[0]] == boxes[1:]
    assert len(boxes[0]) > 25


def test_the_units_agree_with_the_program() -> None:
    """What systemd must not try again are the exit codes that no retry mends; its patience is longer than ours."""
    for name in UNITS:
        settings = dict(_unit(name))
        assert float(settings["TimeoutStopSec"]) > Service().drain
        if name != "syncd-sync.service":
            final = {errors.EXIT_USAGE, errors.EXIT_REFUSED, errors.EXIT_CONFIG}
            assert final == {int(code) for code in settings["RestartPreventExitStatus"].split()}
            assert ("notify", "60", "0") == tuple(
                settings[key] for key in ("Type", "WatchdogSec", "StartLimitIntervalSec")
            )
    done = {int(code) for code in dict(_unit("syncd-sync.service"))["SuccessExitStatus"].split()}
    assert {errors.EXIT_PARTIAL, errors.EXIT_UNPROVEN, errors.EXIT_HELD, errors.EXIT_BUSY} == done


def test_service_and_pass_are_one_user() -> None:
    """Both use one ledger: with users of their own the one would take the state away from the other."""
    found = [[value for key, value in _unit(name) if key in ("User", "StateDirectory")] for name in UNITS]
    assert [["syncd", "syncd"], ["syncd-%i"], ["syncd", "syncd"]] == found
