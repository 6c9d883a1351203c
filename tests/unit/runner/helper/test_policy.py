"""What a deploy needs is let through, and what leads to more is not; the rows are those of real steps."""

import dataclasses
import os

import pytest

from hawser import resources
from hawser.resources import Catalog, Command, Directory, File, Healthy, Link
from hawser.runner.engine import KINDS as ALL_KINDS
from hawser.runner.helper import bounds
from hawser.runner.helper.bounds import Bounds
from hawser.runner.helper.policy import Policy
from hawser.runner.helper.tables import KINDS, PASSIVE, QUESTIONS
from hawser.runner.main import ASKABLE

RELEASE = "1111111111-aaaaaaaa"
UNIT = """# hawser: application=yard process=web release=1111111111-aaaaaaaa
[Service]
ExecStart=/srv/run
Type=exec
User={user}
Group=yard
"""


@pytest.fixture(autouse=True)
def roots(monkeypatch):
    """Take the folders of a test for root's, which lie in one that anybody can write to."""
    monkeypatch.setattr(Bounds, "is_roots", staticmethod(os.path.isdir))


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "yard"
    for name in ("releases", "data", "home", "run", "log", "ssl", "repository.git/hooks", "releases/" + RELEASE):
        (made / name).mkdir(parents=True)
    return made


@pytest.fixture
def policy(root, tmp_path):
    return Policy(
        {
            "application": "yard",
            "root": str(root),
            "state": str(tmp_path / "state"),
            "users": ["yard"],
            "groups": ["yard"],
            "own": [f"{root}/home", f"{root}/run", f"{root}/data"],
            "logs": [f"{root}/log"],
            "lines": [],
            "databases": [],
            "vhosts": [],
        }
    )


@pytest.fixture
def why_not(policy):
    def asked(*wanted):
        (row,) = Catalog.of([("a step", list(wanted))]).to_wire()
        return policy.why_not(row)

    return asked


def fields_of(kind):
    (found,) = [each for each in vars(resources).values() if getattr(each, "kind", "") == kind]
    return {each.name for each in dataclasses.fields(found)} - {"when"}


def built(root, **changes):
    """Return a build as a deploy makes one, but for what is changed."""
    release = f"{root}/releases/{RELEASE}"
    fields = {
        "name": "lib",
        "link": f"{release}/builds/lib",
        "folder": f"{root}/builds",
        "mirror": f"{root}/repository.git",
        "commit": "1" * 40,
        "source": f"{release}/source",
        "user": "yard",
        "group": "yard",
        "commands": ("make",),
        "inputs": ("lib",),
        "directory": "lib",
        "outputs": ("lib/a.so",),
    }
    return resources.Build(**{**fields, **changes})


def fetched(root, **changes):
    """Return a checkout as a deploy makes one, but for what is changed."""
    fields = {
        "path": f"{root}/releases/{RELEASE}/source",
        "mirror": f"{root}/repository.git",
        "commit": "1" * 40,
        "owner": "yard",
        "group": "yard",
        "named": "refs/pull/7/head",
        "repo": "https://git.test/yard.git",
    }
    return resources.Checkout(**{**fields, **changes})


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_field_of_a_kind_has_a_rule(kind):
    assert set(KINDS[kind]) == fields_of(kind)


@pytest.mark.parametrize("kind", sorted(PASSIVE))
def test_what_may_be_looked_at_is_judged_by_fields_that_it_has(policy, kind):
    row = {name: ["x"] if name == "names" else "x" for name in fields_of(kind)}
    policy.may_look({"kind": kind, "step": "a", "label": "b", **row})


@pytest.mark.parametrize(
    "variables", [{"env": {"LD_PRELOAD": "/tmp/x.so"}}, {"env_file": "/tmp/x"}], ids=["env", "env_file"]
)
@pytest.mark.parametrize("user", ["", "postgres"])
def test_nobody_elses_program_is_started_with_variables_to_have_a_look(policy, user, variables):
    """The program that only looks would do what they say."""

    def may_look(**fields):
        (row,) = Catalog.of([("x", [Command(("id",), unless=("test", "!", "-e", "/x"), **fields)])]).to_wire()
        return policy.may_look(row)

    assert may_look() and may_look(user="yard", **variables)
    assert not may_look(user=user, **variables) and not may_look(user="postgres")


def test_kinds_and_questions_are_those_that_there_are():
    assert set(KINDS) | set(PASSIVE) <= set(ALL_KINDS)
    assert set(QUESTIONS) <= set(ASKABLE)


def test_what_no_rule_names_is_refused(policy):
    assert policy.why_not({"kind": "rebooted", "step": "a", "label": "b", "boot": "x"})
    assert policy.why_not(
        {"kind": "prune", "step": "a", "label": "b", "root": policy.bounds.root, "keep": 3, "more": "x"}
    )
    assert policy.why_not({"kind": "file", "step": "a", "label": "b", "path": 7})
    once = {"argv": ["id"], "cwd": "/", "env": {}, "env_file": "", "timeout": 1, "title": "", "unless": [], "name": "x"}
    assert policy.why_not({"kind": "once", "step": "a", "label": "b", **once, "again": 0, "hint": "", "entry": {}})
    assert policy.why_no_request("place", {"path": "x"})
    assert policy.why_no_request("ask", {"function": "index.resolve", "arguments": {}})
    assert policy.why_no_request("ask", {})
    assert policy.why_no_request(
        "ask_all", {"questions": [["looks.clock", {}], ["transfers.listing", {"path": "/root"}]]}
    )


def test_what_a_deploy_does_is_let_through(why_not, root):
    release = f"{root}/releases/{RELEASE}"
    assert not why_not(built(root)) and not why_not(fetched(root))
    assert not why_not(Directory(release))
    assert not why_not(File(f"{release}/run", "text", mode=0o755))
    assert not why_not(File(f"{root}/log/web.log", "", owner="yard", group="yard", mode=0o640, keep=True))
    assert not why_not(Directory(f"{root}/data/more", owner="yard", group="yard"))
    assert not why_not(Link(f"{root}/current", f"releases/{RELEASE}"))
    assert not why_not(Command(("id",), user="yard", env_file=f"{release}/environment"))
    assert not why_not(Command(("systemctl", "reload-or-restart", "nginx")))
    assert not why_not(File("/etc/systemd/system/yard-web-blue.service", UNIT.format(user="yard")))


@pytest.mark.parametrize(
    "wanted",
    [
        # Rights that a file gives to whoever starts it.
        lambda root: File(f"{root}/releases/x", "text", mode=0o4755),
        lambda root: File(f"{root}/releases/x", "text", mode=0o2755),
        lambda root: File(f"{root}/releases/x", "text", owner="postgres"),
        lambda root: File(f"{root}/releases/x", "text", group="shadow"),
        lambda root: File(f"{root}/releases/x", "text", validate="nginx"),
        # Elsewhere.
        lambda root: File("/etc/cron.d/other", "* * * * * yard id\n"),
        lambda root: File("/etc/cron.d/yard", "* * * * * root id\n"),
        lambda root: File("/etc/sudoers.d/hawser-yard", "yard ALL=(ALL) NOPASSWD: ALL\n"),
        lambda root: File(f"{root}/../x", "text"),
        lambda root: File(f"{root}", "text"),
        lambda root: File(f"{root}x/y", "text"),
        lambda root: Directory("/etc", owner="yard"),
        # What root's own programs read.
        lambda root: File(f"{root}/repository.git/hooks/post-checkout", "#!/bin/sh\nid\n", mode=0o755),
        lambda root: File(f"{root}/releases/x/source/.git", "gitdir: /tmp/x"),
        lambda root: File(f"{root}/releases/x/.GIT/config", "[core] fsmonitor = id"),
        lambda root: File(f"{root}/ssl/site.key", "text"),
        lambda root: Link(f"{root}/log/nginx-error.log", "../data/x"),
        lambda root: Link(f"{root}/log", "data"),
        lambda root: Directory(f"{root}/log", owner="yard", group="yard"),
        lambda root: Directory(f"{root}/log", mode=0o777),
        lambda root: Directory(f"{root}/releases", owner="yard"),
        lambda root: Directory(f"{root}/releases/{RELEASE}", owner="yard"),
        # A way out of the folder.
        lambda root: Link(f"{root}/out", "/etc"),
        lambda root: Link(f"{root}/out", "../../etc"),
        lambda root: Link(f"{root}/out", "repository.git"),
        lambda root: Link(f"{root}/out", "ssl"),
        lambda root: resources.Absent("/etc/passwd"),
        lambda root: resources.Absent(f"{root}/log", recursive=True),
        lambda root: resources.OnlyFiles(f"{root}/releases", "../*", ()),
        # Programs.
        lambda root: Command(("id",)),
        lambda root: Command(("id",), user="root"),
        lambda root: Command(("id",), user="postgres"),
        lambda root: Command(("systemctl", "daemon-reload"), unless=("sh", "-c", "id")),
        lambda root: Command(("systemctl", "restart", "ssh")),
        lambda root: Command(("systemctl", "daemon-reload"), env={"LD_PRELOAD": f"{root}/data/x.so"}),
        lambda root: Command(("systemctl", "daemon-reload"), env={"PATH": f"{root}/data"}),
        lambda root: Command(("systemctl", "daemon-reload"), env_file=f"{root}/releases/{RELEASE}/environment"),
        lambda root: Command(("id",), user="yard", env_file="/root/.env"),
        lambda root: Command(("id",), user="yard", marker="/etc/nologin"),
        lambda root: Healthy("", "yard-web", "systemd", command=("id",)),
        lambda root: resources.Running("ssh", "systemd"),
        lambda root: resources.Retired("yard-web", "systemd", path="/etc/passwd"),
        lambda root: resources.OnlyUnits("other", ()),
        # Units.
        lambda root: File("/etc/systemd/system/yard-web.service", UNIT.format(user="root")),
        lambda root: File("/etc/systemd/system/ssh.service", UNIT.format(user="yard")),
        lambda root: File("/etc/systemd/system/yard-web.service.d/x.conf", UNIT.format(user="yard")),
        lambda root: File(
            "/etc/systemd/system/yard-web.service", UNIT.format(user="yard").replace("=yard", "=other", 1)
        ),
        lambda root: File("/etc/systemd/system/yard-web.service", UNIT.format(user="yard"), mode=0o666),
        lambda root: File("/etc/systemd/system/yard-web.service", UNIT.format(user="yard"), owner="yard"),
        lambda root: File("/etc/cron.d/yard", "* * * * * yard id\n", group="yard"),
        # What is copied keeps the modes that its user has given it.
        lambda root: resources.LinkedFolder(
            f"{root}/releases/x/source/a", "../../../data", f"{root}/x", "root", "yard"
        ),
        lambda root: resources.LinkedFolder(f"{root}/releases/x/source/a", "../../../log", f"{root}/x", "yard", "yard"),
        lambda root: resources.LinkedFolder(f"{root}/releases/x/source/a", "../../y", f"{root}/x", "yard", "yard"),
        lambda root: Directory(f"{root}/releases/x", mode=0o777),
        # Records of which paths are made.
        lambda root: resources.Journal("../../../etc/cron.d/x", {}),
        # Paths below a folder, that lead out of it.
        lambda root: built(root, outputs=("../../../../../etc/passwd",)),
        lambda root: built(root, outputs=("x", "/etc/passwd")),
        lambda root: built(root, directory="../../../../etc"),
        lambda root: built(root, inputs=("a/../../x",)),
        # What git, or a program that judges files, would take for more than it is.
        lambda root: built(root, commit="--output=/etc/cron.d/x"),
        lambda root: fetched(root, commit="main"),
        lambda root: fetched(root, named="--upload-pack=id"),
        lambda root: File(f"{root}/data/x.conf", "[supervisord]\nlogfile=/etc/x\n", validate="supervisor"),
        lambda root: File(f"{root}/data/x.service", "[Service]\nExecStart=/bin/id\n", validate="systemd"),
        lambda root: resources.Journal(RELEASE, {"release": "../x"}),
        lambda root: resources.History({"release": "../x"}),
    ],
)
def test_what_leads_to_more_is_refused(why_not, root, wanted):
    assert why_not(wanted(str(root)))


def test_links_that_the_service_user_has_put_there_lead_nowhere(why_not, root):
    """In its own folders it may put what it likes, also while a deploy is under way."""
    for name, target in (
        ("etc", "/etc"),
        ("hooks", root / "repository.git/hooks"),
        ("log", root / "log"),
        ("up", "../.."),
    ):
        (root / "data" / name).symlink_to(target)
    (root / "data" / "file").symlink_to("/etc/passwd")
    for path in ("etc/passwd", "hooks/post-checkout", "up/x", "file"):
        assert why_not(File(f"{root}/data/{path}", "text")), path
    for path in ("etc", "log", "hooks", "up"):
        assert why_not(Directory(f"{root}/data/{path}", owner="yard", group="yard")), path
    assert why_not(Link(f"{root}/data/log/x", "../y"))
    assert why_not(Command(("id",), user="yard", env_file=f"{root}/data/etc/environment"))


def test_definitions_of_others_stay(why_not, policy, monkeypatch, tmp_path):
    monkeypatch.setattr(policy.bounds, "is_free", lambda path: path != "/etc/systemd/system/yard-web.service")
    assert why_not(File("/etc/systemd/system/yard-web.service", UNIT.format(user="yard")))
    assert why_not(resources.Running("yard-web", "systemd"))
    assert not why_not(resources.Running("yard-work", "systemd"))
    monkeypatch.setattr(bounds, "PACKAGED", (f"{tmp_path}/%s.service",))
    (tmp_path / "yard-daily.service").touch()
    assert why_not(resources.Running("yard-daily", "systemd"))
    other = tmp_path / "x.service"
    assert Bounds.is_free(policy.bounds, str(other))
    other.write_text("# hawser: application=yard process=web release=\n[Service]\n")
    assert Bounds.is_free(policy.bounds, str(other))
    other.write_text("[Service]\n# hawser: application=yard process=web release=\n")
    assert not Bounds.is_free(policy.bounds, str(other))


def test_questions_are_about_the_application_alone(policy, root):
    def refused(function, **arguments):
        return policy.why_no_request("ask", {"function": function, "arguments": arguments})

    assert not refused("looks.clock") and not refused("releases.listing", root=str(root))
    assert not refused("migrations.plans", questions=[{"argv": ["x"], "user": "yard", "cwd": "/"}])
    assert refused("migrations.plans", questions=[{"argv": ["x"], "user": "root", "cwd": "/"}])
    assert refused("migrations.plans", questions=[{"argv": ["x"], "cwd": "/"}])
    assert refused("survey.health", checks=[{"name": "x", "unit": "yard-web", "manager": "systemd", "command": ["id"]}])
    assert refused("releases.listing", root="/")
    assert refused("holders.holding", root=str(root), release=RELEASE, values=["SECRET_KEY=a"])
    assert refused("restores.left", databases=[{"database": "other", "engine": "postgresql"}])
    assert refused("commits.between", mirror=f"{root}/repository.git", former="--output=x", commit="1" * 40, most=9)
    assert refused("commands.variables", paths=["/root/.env"])
    assert refused("looks.unmounted", path="/etc/shadow")
    assert refused("checkout.tips", mirror="/root/other.git")
    assert refused("checkout.resolve", repo="ext::sh -c id", mirror=f"{root}/repository.git", revision="main")
    assert refused("checkout.resolve", repo="/root/secret", mirror=f"{root}/repository.git", revision="main")


def test_programs_logs_and_records_are_its_own(policy, root, tmp_path):
    why = policy.why_no_request
    (tmp_path / "state").mkdir()
    assert not why("stream", {"argv": ["id"], "user": "yard"})
    assert why("stream", {"argv": ["id"], "user": "root"}) and why("stream", {"argv": ["id"]})
    assert not why("logs", {"sources": [{"name": "web", "units": ["yard-web.service"]}]})
    assert why("logs", {"sources": [{"name": "web", "units": ["ssh.service"]}]})
    assert why("logs", {"sources": [{"name": "web", "path": "/etc/shadow"}]})
    assert why("logs", {"sources": [{"name": "web", "pattern": "/var/log/*"}]})
    assert not why("read", {"path": f"{tmp_path}/state/journal.json"})
    (tmp_path / "state" / "x").symlink_to("/etc/shadow")
    assert why("read", {"path": f"{tmp_path}/state/x"})
    assert why("read", {"path": "/etc/shadow"}) and why("read", {"path": f"{tmp_path}/state/../x"})
