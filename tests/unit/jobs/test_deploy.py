"""Deployment files say only what there is: commands, flags, settings, versions; and the arithmetic of sizes holds."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from jobs.cli import app
from jobs.desk.roles import Role
from jobs.settings import read_settings

TOP = Path(__file__).parents[3]
DEPLOY = TOP / "jobs" / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
PARTS = {part["kind"]: part for part in yaml.safe_load_all((DEPLOY / "rayjob.yaml").read_text())}
JOB = PARTS["RayCronJob"]["spec"]["jobTemplate"]
CLUSTER = JOB["rayClusterSpec"]
PODS = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]
SECRETS = {"RINGLIGHT_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "NEO4J_PASSWORD"}
OTHERS = {"RINGLIGHT_KEY", "RINGLIGHT_CACHE", "RINGLIGHT_EVENTS"}  # no settings
FACTORS = {
    "accounts": (47, 47),
    "events": (1500 / 14.5, 1500 / 14.5),
    "accounts to events": (47, 1500 / 14.5),
    "nothing": (1, 1),
}


def commands() -> Iterator[tuple[str, list[str]]]:
    """What the files would run, without `ringlight` or `python -m jobs` before it."""
    for name, service in COMPOSE["services"].items():
        if "command" in service:
            yield f"compose: {name}", service["command"]
    yield "rayjob", shlex.split(JOB["entrypoint"].removeprefix("python -m jobs "))
    for file in ("compose.yaml", "rayjob.yaml", "Containerfile"):
        for line in (DEPLOY / file).read_text().splitlines():
            if match := re.match(r"#\s+(?:ringlight|docker compose .* run --rm console) (.*)", line):
                yield f"{file}: {match[1]}", shlex.split(match[1])


@pytest.mark.parametrize(
    ("where", "words"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_commands_and_flags_exist(where, words):
    command: Any = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    assert not hasattr(command, "commands"), words
    known = {flag for parameter in command.params for flag in parameter.opts}
    given = {word for word in words if word.startswith("--")}
    assert given
    assert given <= known
    required = {parameter.opts[0] for parameter in command.params if parameter.required}
    assert required <= given


def test_settings_that_are_named_exist():
    named = {entry["name"]: entry.get("value", "") for pod in PODS for entry in container(pod)["env"]}
    for service in COMPOSE["services"].values():
        named |= service["environment"]
    named |= dict(re.findall(r"(RINGLIGHT_\w+)=(\S+)", (DEPLOY / "Containerfile").read_text()))
    settings = {name: value for name, value in named.items() if name.startswith("RINGLIGHT_") and name not in OTHERS}
    assert set(settings) >= {"RINGLIGHT_PLACE", "RINGLIGHT_N_PARTITIONS", "RINGLIGHT_CONSOLE__ORIGIN"}
    origins = read_settings({}, settings).origins
    assert {f"RINGLIGHT_{name.upper().replace('.', '__')}" for name in origins} == set(settings)
    shell = set(re.findall(r"export (?:.*?\s)?(RINGLIGHT_\w+)=", (DEPLOY / "compose.yaml").read_text()))
    assert shell <= OTHERS


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (one,) = pod["template"]["spec"]["containers"]
    return one


def test_no_secret_has_a_value_in_a_file():
    for pod in PODS:
        entries = {entry["name"]: entry for entry in container(pod)["env"]}
        assert set(entries) >= SECRETS
        assert all("secretKeyRef" in entries[name]["valueFrom"] for name in SECRETS)
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            if name in SECRETS | {"NEO4J_AUTH"}:
                assert re.fullmatch(r"(neo4j/)?\$\{\w+:[-?][^}]*\}", value)
                assert ":-" not in value or value.endswith(":-}")


def test_ports_of_compose_are_this_machines_alone():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_pods_are_held_short():
    assert CLUSTER["authOptions"] == {"mode": "token"}
    assert PARTS["RayCronJob"]["spec"]["suspend"] is True
    for pod in PODS:
        spec = pod["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert container(pod)["securityContext"]["allowPrivilegeEscalation"] is False
        assert set(container(pod)["resources"]["limits"]) == {"cpu", "memory"}
        assert pod["template"]["metadata"]["labels"] == PARTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
        claims = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in spec["volumes"]
            if "persistentVolumeClaim" in volume
        ]
        assert claims == [PARTS["PersistentVolumeClaim"]["metadata"]["name"]]
        mounted = {mount["name"]: mount["mountPath"] for mount in container(pod)["volumeMounts"]}
        assert set(mounted) == {volume["name"] for volume in spec["volumes"]}
        assert mounted["place"] == shlex.split(JOB["entrypoint"])[shlex.split(JOB["entrypoint"]).index("--place") + 1]


def test_all_run_one_image_as_one_user_with_the_locked_ray():
    text = (DEPLOY / "Containerfile").read_text()
    version = re.search(r'^version = "(.*)"', (TOP / "pyproject.toml").read_text(), re.MULTILINE)[1]
    images = {container(pod)["image"] for pod in PODS} | {
        service["image"] for name, service in COMPOSE["services"].items() if name != "neo4j"
    }
    assert images == {f"ringlight:{version}"}
    assert f"--tag ringlight:{version} " in text
    users = {pod["template"]["spec"]["securityContext"]["runAsUser"] for pod in PODS}
    assert users == {int(re.search(r"^USER (\d+)$", text, re.MULTILINE)[1])}
    assert f"ray=={CLUSTER['rayVersion']} " in (TOP / "requirements.lock").read_text()
    assert re.search(r"uv==([\d.]+)", text)[1] == re.search(r"uv==([\d.]+)", (TOP / "Makefile").read_text())[1]
    for copied in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        assert all((TOP / name).exists() for name in copied.split())


def test_the_role_that_is_named_exists():
    roles = re.findall(r"--role (\w+)", (DEPLOY / "compose.yaml").read_text())
    assert roles
    assert set(roles) <= set(Role)


def tables() -> list[list[list[str]]]:
    """The tables of steps in SIZES.md, row by row."""
    text = (DEPLOY / "SIZES.md").read_text()
    found = re.findall(r"^\| step \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|\n").split("|")] for row in table.splitlines()] for table in found]


@pytest.mark.parametrize(("table", "seconds"), [(0, 752), (1, 213)])
def test_hours_follow_from_what_was_measured(table, seconds):
    *steps, total = tables()[table]
    hours = [0.0, 0.0]
    for _, measured, grows, least, most in steps:
        own = [int(measured) * factor / 3600 for factor in FACTORS[grows]]
        assert [least, most] == [f"{each:.2f}" for each in own]
        hours = [sum(both) for both in zip(hours, own, strict=True)]
    assert sum(int(row[1]) for row in steps) == int(total[1]) == seconds
    assert total[3:] == [f"{each:.2f}" for each in hours]


def test_memory_storage_and_costs_follow_too():
    text = (DEPLOY / "SIZES.md").read_text()
    for a, b, told in re.findall(r"(\d+) x ([\d.]+) = (\d+) GiB", text):
        assert abs(int(a) * float(b) - int(told)) <= 0.5
    for measured, unit, factor, told in re.findall(r"\| ([\d.]+) (GB|GiB) \| ([\d.]+) \| (\d+) \|", text):
        exact = float(measured) * (2**30 / 1e9 if unit == "GiB" else 1) * float(factor)
        assert round(exact) == int(told)
    training = [row for row in tables()[0] if row[0].startswith("train")]
    night = tables()[1][-1]
    for column, name in ((3, "least"), (4, "most")):
        extra = round(sum(float(row[column]) for row in training), 2)
        hours = round(30 * float(night[column]) + 4.3 * extra)
        assert f"30 x {night[column]} + 4.3 x {extra:.2f} = {hours}" in text
        line = re.search(rf"{name}:\s+(\d+) x 4 \+ \(55 \+ 3,450\) x \.02 \+ 1,284 x \.1 = (\d+)", text)
        assert int(line[1]) == hours
        assert abs(int(line[2]) - (hours * 4 + (55 + 3450) * 0.02 + 1284 * 0.1)) <= 0.5 + 1e-9
    assert 55 + 230 + 999 == 1284
