"""What every step wants of every host, for some environments; the texts beside them in `catalogs/` are kept.

`HAWSER_UPDATE=1` writes the texts anew: read their difference as carefully as the code's.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hawser import resources
from hawser.errors import HawserError
from hawser.fleet import kept
from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.journal import REPAIR, Record
from hawser.host.processes import instances, overlaps
from hawser.host.release import Release
from hawser.inventory import Environment, read_environment
from hawser.resources import JSON, Catalog, Command, File, Resource, Tried
from hawser.runner.engine import KINDS
from hawser.secrets import Secrets, in_file
from hawser.steps import Step
from hawser.steps import step as make_step
from hawser.tasks import (
    backup,
    bootstrap,
    certs,
    checkouts,
    code,
    config,
    db,
    deploy,
    lock,
    maintenance,
    once,
    processes,
    queue,
    release,
    releases,
    remove,
    shares,
    sshd,
    upgrade,
    volumes,
)
from hawser.tasks.managers import supervisor, systemd
from hawser.tasks.rollout import hooks, visit
from hawser.tasks.services import SERVICES
from hawser.templates.rendering import Templates

CATALOGS = Path(__file__).parent / "catalogs"
ENVIRONMENTS = {path.stem: read_environment(path) for path in sorted(CATALOGS.glob("*.toml"))}
TEMPLATES = {name: Templates() for name in ENVIRONMENTS}
HOSTS = [(name, host) for name, environment in ENVIRONMENTS.items() for host in environment.hosts]
PHASES: dict[str, list[Step]] = {
    "bootstrap": [*bootstrap.STEPS, shares.mount, certs.place],
    "prepare": [shares.require, *deploy.PREPARE],
    "migrate": [db.migrate, db.after_migrate, once.run],
    "switch": deploy.SWITCH,
    "finish": deploy.FINISH,
    # Only looked at, but for a repair.
    "drift": [code.untouched, systemd.only_ours, sshd.without_passwords],
    "remove": [each for steps in remove.REMOVE.values() for each in steps],
}
# Parts of `release.start`, to be typed on their own.
ALONE = [
    systemd.reload,
    supervisor.reload,
    release.decommission,
    release.undeploy,
    release.hand_over,
    config.leave,
    releases.old,
    db.finish,
    backup.proven,
    processes.restarted,
    processes.cleaned_up,
    processes.stopped,
    processes.started,
    db.save,
    db.bring_back,
    queue.empty,
    checkouts.install,
    maintenance.close,
    volumes.require,
    volumes.wake,
    maintenance.reopen,
    once.again,
    once.note,
    *(each.passwords for each in SERVICES.values() if each.passwords),
    lock.freeze,
    hooks.run,
    visit.through,
    lock.thaw,
    kept.sign,
    bootstrap.note,
    sshd.confirmed,
    upgrade.lists,
    upgrade.packages,
    upgrade.boot,
]
NEW, OLD, OLDER = "1111111111-aaaaaaaa", "2222222222-bbbbbbbb", "3333333333-cccccccc"
DEFAULTS = {
    (kind.kind, field.name): list(field.default) if isinstance(field.default, tuple) else field.default
    for kind in resources.Resource.__subclasses__()
    for field in dataclasses.fields(kind)
}


# The stage: a release, secrets that are hard to write down, and what a host says of itself.


def secrets_of(environment: Environment) -> Secrets:
    values = {name: f"{name}: 'a' \"b\" 100% $c \\ #" for name in environment.env.secrets}
    return Secrets(environment.name, in_file(CATALOGS / f"{environment.name}.env"), values, environment.env.generated)


def facts_of(environment: Environment, name: str, current: str) -> Facts:
    """Return what a host says on which a release serves, in blue where there are colours."""
    live, rows = {}, []
    for setting_name, setting in environment.processes.items():
        if name not in environment.hosts_running(setting):
            continue
        for each in instances(setting_name, setting):
            unit = f"{environment.app.name}-{each}"
            if overlaps(setting):
                live[each] = "blue"
                unit += "-blue"
            said = {
                "state": "active",
                "active": True,
                "enabled": True,
                "seconds": 60,
                "since": 1.0,
                "pid": 2,
                "live": True,
            }
            own = {"process": each, "unit": unit, "manager": setting.manager, "release": current, "inputs": ""}
            rows.append({**own, **said})
    return Facts.from_wire(
        {
            "hostname": name,
            "python": "3.11.2",
            "app": {
                "current": current,
                "commit": current[:10] * 4,
                "previous": OLDER,
                "releases": [OLDER, current],
                "live": live,
                "processes": rows,
            },
        }
    )


def make_host(environment: Environment, name: str, facts: Facts, released: bool = True) -> Host:
    templates = TEMPLATES[environment.name]
    addresses = {each: host.address for each, host in environment.hosts.items()}
    at_stake = Release(NEW, NEW[:10] * 4, environment, templates) if released else None
    entry = {"what": "deploy", "who": "ann", "from": "desk", "started": "2030-01-02T03:04:05Z"}
    return Host(name, environment, secrets_of(environment), templates, addresses, facts, at_stake, entry)


def situations(environment: Environment, name: str) -> dict[str, Host]:
    """Return a host as it is before its first release, with another one, and with this one."""
    return {
        "a bare host": make_host(environment, name, Facts()),
        "blue serves another release": make_host(environment, name, facts_of(environment, name, OLD)),
        "blue serves this release": make_host(environment, name, facts_of(environment, name, NEW)),
    }


def wanted(host: Host) -> list[tuple[Step, Resource]]:
    return [(step, each) for steps in PHASES.values() for step in steps for each in step.resources(host)]


# Catalogs as text.


def text_of(host: Host) -> str:
    """Write what all steps want on a host: a line per resource, and under it what it says beside its label."""
    lines = []
    for phase, steps in PHASES.items():
        rows = Catalog.of((step.title, step.resources(host)) for step in steps).to_wire()
        lines += ["", f"=== {phase} ==="]
        previous = ""
        for row in rows:
            assert isinstance(row, dict)
            if row["step"] != previous:
                lines += ["", f"# {row['step']}"]
            previous = str(row["step"])
            lines += [str(row["label"]).rstrip(), *(f"    {line}".rstrip() for line in details(row, rows))]
    return "\n".join(lines[1:]) + "\n"


def details(row: dict[str, JSON], rows: Sequence[JSON]) -> Iterator[str]:
    """Write the fields of a resource that its label does not tell, and that are not as usual."""
    told = str(row["label"]).removeprefix(f"{row['kind']} ")
    access = ("mode", "owner", "group") if "mode" in row else ()
    if access:
        yield f"{row['mode']:04o} {row['owner']} {row['group']}"
    for position, (name, value) in enumerate(row.items()):
        spoken = " ".join(map(str, value)) if isinstance(value, list) else value
        if position < 3 or name in access or (name in (list(row)[3], "title") and spoken == told):
            continue
        if value in (DEFAULTS.get((str(row["kind"]), name)), {}):
            continue
        if name == "content" and str(row["path"]).endswith("/release.json"):
            yield "content: (see test_release.py)"
        elif name == "when":
            assert isinstance(value, list)
            yield "when: " + ", ".join(str(label_of(rows, position)) for position in value)
        elif isinstance(value, str) and "\n" in value:
            yield f"{name}:"
            body, end = (value[:-1], "") if value.endswith("\n") else (value, " (no line end)")
            yield from (f"  | {line}" for line in f"{body}{end}".split("\n"))
        else:
            yield f"{name}: {'(empty)' if value == '' else value}"


def label_of(rows: Sequence[JSON], position: Any) -> JSON:
    row = rows[position]
    assert isinstance(row, dict)
    return row["label"]


def kept_text(environment: Environment, name: str) -> str:
    """Write the catalogs of a bare host, and in what they differ in the other situations."""
    texts = {title: text_of(host) for title, host in situations(environment, name).items()}
    (_bare, first), *others = texts.items()
    parts = [first]
    for title, text in others:
        diff = difflib.unified_diff(first.splitlines(), text.splitlines(), n=2, lineterm="")
        body = ["..." if line.startswith("@@") else line.rstrip() for line in list(diff)[2:]]
        parts.append("\n".join([f"=== {title}: what differs ===", "", *(body or ["nothing"])]) + "\n")
    return "\n".join(parts)


@pytest.mark.parametrize(("environment", "host"), HOSTS)
def test_the_catalogs_are_those_that_are_kept(environment: str, host: str) -> None:
    path = CATALOGS / f"{environment}.{host}.txt"
    text = kept_text(ENVIRONMENTS[environment], host)
    if os.environ.get("HAWSER_UPDATE"):
        path.write_text(text)
    kept = path.read_text() if path.exists() else ""
    diff = "\n".join(difflib.unified_diff(kept.splitlines(), text.splitlines(), path.name, "now", lineterm=""))
    assert not diff, f"HAWSER_UPDATE=1 takes this over:\n{diff}"


def test_no_catalog_is_kept_that_belongs_to_no_host() -> None:
    known = {f"{environment}.{host}.txt" for environment, host in HOSTS}
    assert {path.name for path in CATALOGS.glob("*.txt")} == known


def test_every_step_is_in_these_catalogs() -> None:
    known = {step.title for steps in (*PHASES.values(), ALONE) for step in steps}
    assert {step.title for step in Step.registry} == known


# What holds for every catalog.


@pytest.fixture(params=HOSTS, ids="/".join)
def hosts(request: pytest.FixtureRequest) -> list[Host]:
    environment, name = request.param
    return list(situations(ENVIRONMENTS[environment], name).values())


def test_a_step_wants_the_same_when_it_is_asked_again(hosts: list[Host]) -> None:
    for host in hosts:
        assert text_of(host) == text_of(host)


def test_a_step_says_nothing_of_a_release_where_there_is_none(hosts: list[Host]) -> None:
    environment, name = hosts[0].environment, hosts[0].name
    for _step, each in wanted(make_host(environment, name, Facts(), released=False)):
        assert "/releases/" not in repr(each)


def test_no_path_stands_for_two_resources_of_a_phase(hosts: list[Host]) -> None:
    for host in hosts:
        for steps in PHASES.values():
            paths = [
                each.path
                for step in steps
                for each in step.resources(host)
                if isinstance(each, resources.File | resources.Directory | resources.Link | resources.Absent)
            ]
            assert sorted(set(paths)) == sorted(paths)


def test_the_two_managers_together_start_what_a_deploy_starts(hosts: list[Host]) -> None:
    for host in hosts:
        parts = sorted(repr(each) for step in (systemd.reload, supervisor.reload) for each in step.resources(host))
        # What is only tried does not go on.
        started = [each for each in release.start.resources(host) if not isinstance(each, Tried)]
        assert parts == sorted(map(repr, started))


def test_the_runner_knows_every_kind() -> None:
    known = Resource.__subclasses__()
    assert {kind.kind for each in known for kind in (each, *each.__subclasses__())} == {*KINDS, "notice"}


def test_no_secret_stands_in_a_command_or_in_a_file_that_others_may_read(hosts: list[Host]) -> None:
    values = [value for host in hosts[:1] for value in host.secrets.mask_values()]
    for host in hosts:
        for step, each in wanted(host):
            shown = [each.label]
            if isinstance(each, Command):
                shown += [*each.argv, *each.unless]
            if isinstance(each, File) and each.mode & 0o007:
                shown.append(str(each.content))
            assert not [text for text in shown for value in values if value in text], (step.title, each.label)


def test_steps_that_prepare_a_release_leave_everything_outside_its_folder_alone(hosts: list[Host]) -> None:
    for host in hosts:
        allowed = (f"{host.root}/releases/{NEW}", f"{host.root}/envs", f"{host.root}/builds")
        early = {entry.path for entry in host.environment.files if entry.early}
        for step in PHASES["prepare"]:
            for each in step.resources(host):
                if isinstance(each, resources.Mounted) or (isinstance(each, resources.OnlyPlaced) and each.adds):
                    continue  # only looks or notes
                place = getattr(each, "path", None) or getattr(each, "link", None) or getattr(each, "cwd", "")
                assert place.startswith(allowed) or place in early, (step.title, each.label)


def test_a_file_outside_the_release_is_written_wherever_its_groups_say() -> None:
    for name, host in HOSTS:
        environment = ENVIRONMENTS[name]
        expected = {entry.path for entry in environment.files if host in environment.hosts_of(entry.groups)}
        found = {each.path for _, each in wanted(make_host(environment, host, Facts())) if isinstance(each, File)}
        assert {path for path in expected if path.startswith("/")} <= found


def test_a_second_repository_is_complete_before_its_link_moves_there() -> None:
    environment = ENVIRONMENTS["kiosk"]
    commit = "4" * 40
    host = make_host(environment, "till", Facts())
    wanted = list(checkouts.install.given(commits={"price-lists": commit}).resources(host))
    kinds = [each.kind for each in wanted]
    checkout = next(each for each in wanted if isinstance(each, resources.Checkout))
    link = next(each for each in wanted if isinstance(each, resources.Link) and each.path == "/srv/prices")
    assert checkout.path == link.target == f"/opt/kiosk/checkouts/price-lists/trees/{commit}"
    assert (checkout.owner, checkout.group) == ("kiosk", "shop")
    assert checkout.key == host.secrets.values["PRICES_KEY"]
    shared = next(each for each in wanted if isinstance(each, resources.LinkedFolder))
    assert (shared.path, shared.target) == (f"{link.target}/cache", "/opt/kiosk/checkouts/price-lists/kept/cache")
    assert kinds.index("checkout") < wanted.index(shared) < wanted.index(link) < kinds.index("trees")


def test_a_second_repository_is_left_alone_where_nobody_has_looked_up_its_commit_or_wants_it() -> None:
    environment = ENVIRONMENTS["kiosk"]
    looked_up = checkouts.install.given(commits={"price-lists": "4" * 40})
    assert not list(checkouts.install.resources(make_host(environment, "till", Facts())))
    assert not list(looked_up.resources(make_host(environment, "store", Facts())))


def test_a_teams_own_step_takes_its_turn_in_every_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "registry", Step.registry)

    def nothing(_host: Host) -> resources.Resources:
        yield from ()

    before = deploy.switching(), deploy.finishing()
    assert before == (deploy.SWITCH, deploy.FINISH)
    files, note = (make_step(during=turn)(nothing) for turn in ("switch", "finish"))
    switching, finishing = deploy.switching(), deploy.finishing()
    assert switching[switching.index(files) + 1] is release.start
    assert finishing[finishing.index(note) + 1] is release.record
    back = deploy.revert_plan(Record("a"))
    assert files in back.revert_hosts and files not in back.undeploy
    assert files not in deploy.revert_plan(Record("a", what=REPAIR)).revert_hosts
    assert [each for each in switching if each is not files] == deploy.SWITCH


def test_a_turn_that_there_is_not_is_refused() -> None:
    with pytest.raises(HawserError, match=r"test_steps\.nowhere: there is no part launch of a rollout: switch, finish"):

        @make_step(during="launch")
        def nowhere(_host: Host) -> resources.Resources:
            yield from ()
