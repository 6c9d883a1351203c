"""What goes wrong is said with file, key, host and the next move; the old release goes on serving."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from hawser import sandbox

from .conftest import Fleet, wait_for


@contextmanager
def changed(fleet: Fleet, changes: Mapping[str, str]) -> Iterator[None]:
    """Change texts in the environment file for a while."""
    text = fleet.file.read_text()
    new = text
    for old, replacement in changes.items():
        assert old in new, old
        new = new.replace(old, replacement, 1)
    fleet.file.write_text(new)
    try:
        yield
    finally:
        fleet.file.write_text(text)


@contextmanager
def committed(fleet: Fleet, changes: Mapping[str, str]) -> Iterator[str]:
    """Commit something for a while."""
    before = fleet.git("rev-parse", "HEAD")
    commit = fleet.commit(changes)
    try:
        yield commit
    finally:
        fleet.git("reset", "--quiet", "--hard", before)


def refused(fleet: Fleet, *words: str, code: int = 2) -> str:
    """Run `fab`, which must refuse, and return what it says."""
    before = fleet.releases()
    result = fleet.fab(*words, code=code)
    assert fleet.releases() == before
    for host in ("web1", "web2"):
        assert fleet.visit(host).status == 200
    return result.stdout + result.stderr


def test_a_branch_that_is_not_there_is_named_before_a_bootstrap_touches_anything(fleet: Fleet) -> None:
    said = refused(fleet, "-H", fleet.name, "bootstrap", "deploy", "--revision", "mian")
    assert "mian is no branch, tag or commit in" in said and "did you mean main?" in said
    assert "bootstrap.packages" not in said


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[release]", "[release]\nbiuld = []", ["trial.toml", "release.biuld", "did you mean build?"]),
        (
            'groups = ["web"]\ncommand = "gunicorn',
            'groups = "web"\ncommand = "gunicorn',
            ["processes.web.groups", "list"],
        ),
        (
            'groups = ["web"]\ncommand = "gunicorn',
            'groups = ["wbe"]\ncommand = "gunicorn',
            ["processes.web.groups[0]", "wbe"],
        ),
        ('generated = ["', 'required = ["STRIPE_KEY"]\ngenerated = ["', ["trial.env", "STRIPE_KEY"]),
        ("site.domains | join", "site.domain | join", ["trial.toml", "env.variables.ALLOWED_HOSTS", "domain"]),
        ("{{ app.root }}/data/beat", "{{ nowhere }}/data/beat", ["trial.toml", "processes.beat.command", "nowhere"]),
    ],
    ids=["unknown-key", "wrong-type", "group-without-hosts", "missing-secret", "unknown-variable", "unknown-name"],
)
def test_bad_input_is_refused_with_file_and_key_before_any_connection(
    fleet: Fleet, old: str, new: str, expected: list[str]
) -> None:
    with changed(fleet, {old: new}):
        said = refused(fleet, "-H", fleet.name, "deploy")
    for word in expected:
        assert word in said, said


def test_several_mistakes_are_reported_at_once(fleet: Fleet) -> None:
    with changed(fleet, {"[release]": "[release]\nbiuld = []", "[site]": "[site]\nlistn = 80"}):
        said = refused(fleet, "-H", fleet.name, "deploy")
    assert "release.biuld" in said
    assert "site.listn" in said
    assert "2 problems" in said


def test_an_unknown_host_is_refused_with_a_suggestion(fleet: Fleet) -> None:
    assert "did you mean" in refused(fleet, "-H", f"{fleet.name}/wb1", "deploy")


def test_a_task_without_hosts_never_runs_on_the_local_machine(fleet: Fleet) -> None:
    assert "name hosts with -H" in refused(fleet, "deploy")


def test_a_revision_that_does_not_exist_is_refused(fleet: Fleet) -> None:
    assert "no branch, tag or commit" in refused(fleet, "-H", fleet.name, "deploy", "--revision", "v99")


def test_a_part_of_the_fleet_is_not_left_on_another_commit(fleet: Fleet) -> None:
    with committed(fleet, {"logbook/part.py": "PART = 1\n"}):
        said = refused(fleet, "-H", f"{fleet.name}/web1", "deploy", code=1)
    assert "web2" in said
    assert "--partial" in said


def test_a_failing_build_shows_its_output_and_leaves_the_old_release_serving(fleet: Fleet) -> None:
    with changed(fleet, {'build = ["': 'build = ["echo broken by hand; false", "'}):
        said = refused(fleet, "-H", fleet.name, "deploy", code=1)
    assert "broken by hand" in said
    assert "prepare failed on" in said


def test_a_failing_migration_stops_before_anything_switches(fleet: Fleet) -> None:
    migration = "\n".join(
        [
            "from django.db import migrations",
            "def fail(apps, schema_editor):",
            "    raise RuntimeError('this migration fails by intent')",
            "class Migration(migrations.Migration):",
            "    dependencies = [('logbook', '0001_initial')]",
            "    operations = [migrations.RunPython(fail)]",
        ]
    )
    with committed(fleet, {"logbook/migrations/0002_fails.py": migration + "\n"}):
        said = refused(fleet, "-H", fleet.name, "deploy", "--accept-migrations", code=1)
    assert "this migration fails by intent" in said
    assert "migrate failed on web1" in said


def test_a_site_that_nginx_refuses_never_replaces_the_one_that_serves(fleet: Fleet) -> None:
    block = fleet.inside("web1", "cat", "/etc/nginx/sites-enabled/demo.conf")
    with changed(fleet, {"[site]": '[site]\nextra = "no_such_directive on;"'}):
        said = refused(fleet, "-H", fleet.name, "deploy", code=1)
    assert "no_such_directive" in said
    assert fleet.inside("web1", "cat", "/etc/nginx/sites-enabled/demo.conf") == block
    fleet.inside("web1", "nginx", "-t")


def test_a_release_that_does_not_start_is_put_back_and_its_log_is_shown(fleet: Fleet) -> None:
    with committed(fleet, {"harbour/wsgi.py": "raise SystemExit('this release does not start')\n"}):
        said = refused(fleet, "-H", fleet.name, "deploy", code=1)
    assert "this release does not start" in said
    enabled = fleet.inside("web1", "sh", "-c", "systemctl list-unit-files 'demo-web-*' --state=enabled --no-legend")
    assert len(enabled.splitlines()) == 1


def test_an_unhealthy_release_is_put_back_on_every_host(fleet: Fleet) -> None:
    with changed(fleet, {'path = "/health/", status = [200]': 'path = "/health/", status = [418], timeout = 10'}):
        said = refused(fleet, "-H", fleet.name, "deploy", code=1)
    assert "answers /health/ with 200" in said
    assert "nothing to do" in fleet.fab("-H", fleet.name, "deploy").stdout


def test_a_host_that_does_not_answer_is_reported_while_the_others_finish(fleet: Fleet) -> None:
    with changed(
        fleet,
        {
            "[hosts.data1]": '[hosts.gone]\naddress = "192.0.2.77"\ngroups = ["spare"]\n'
            "[ssh]\nconnect_timeout = 3\n[hosts.data1]"
        },
    ):
        started = time.monotonic()
        result = fleet.fab("-H", fleet.name, "run", "hostname", code=1)
        assert time.monotonic() - started < 30
    said = result.stdout + result.stderr
    assert "gone" in said
    where = "gone (root@192.0.2.77:22)"
    # Whose router says so at once, and who has none that would: both happen.
    reasons = ("no answer within 3 s", "no route to host", "network is unreachable")
    assert any(f"{where}: {reason}" in said for reason in reasons)
    assert f"{fleet.name}-web1" in said


@pytest.mark.slow
def test_an_occupied_lock_says_who_holds_it_since_when_and_from_where(fleet: Fleet) -> None:
    with committed(fleet, {"logbook/slow.py": "SLOW = 1\n"}), changed(fleet, {'build = ["': 'build = ["sleep 20", "'}):
        first = subprocess.Popen(
            fleet.command("-H", fleet.name, "deploy"),
            cwd=sandbox_project(),
            env=fleet.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_for(
                "the first deploy holds the lock", lambda: "sleep 20" in fleet.inside("web1", "ps", "ax"), seconds=60
            )
            said = fleet.fab("-H", fleet.name, "deploy", code=1)
        finally:
            output, _ = first.communicate(timeout=120)
    assert first.returncode == 0, output
    for word in ("is at work on it since", "(deploy)", "nothing was touched"):
        assert word in said.stdout + said.stderr
    fleet.fab("-H", fleet.name, "deploy")


def sandbox_project() -> str:
    from .conftest import PROJECT

    return str(PROJECT)


def test_hosts_behind_a_jump_host_are_trusted_through_it(fleet: Fleet, tmp_path: Path) -> None:
    mine = tmp_path / ".ssh" / "id_ed25519"
    mine.parent.mkdir(mode=0o700)
    mine.write_bytes(sandbox.private_key().read_bytes())
    mine.chmod(0o600)
    address, bastion = fleet.address("web1"), fleet.address("web2")
    plain = f'[hosts.web1]\naddress = "{address}"\nuser = "root"\njump = "root@{bastion}"'
    known = fleet.hosts / "known_hosts"
    known.unlink(missing_ok=True)
    home = {"HOME": str(tmp_path)}
    with changed(fleet, {"[hosts.web1]": plain, "sandbox = true\n\n[hosts.web2]": "\n[hosts.web2]"}):
        said = fleet.fab("-H", f"{fleet.name}/web1", "run", "hostname", code=1, env=home)
        assert "host key is not known yet" in said.stdout + said.stderr
        said = fleet.fab("-H", f"{fleet.name}/web1", "trust", code=1, env=home)
        assert "trust --yes" in said.stdout + said.stderr
        fleet.fab("-R", "-H", f"{fleet.name}/web1", "trust", "--yes", code=None, env=home)
        assert not known.exists()
        fleet.fab("-H", f"{fleet.name}/web1", "trust", "--yes", env=home)
        assert [line.split()[0] for line in known.read_text().splitlines()] == [bastion, address]
        assert "web1" in fleet.fab("-H", f"{fleet.name}/web1", "run", "hostname", env=home).stdout
    known.unlink()


def test_the_users_own_ssh_files_count_as_for_ssh(fleet: Fleet, tmp_path: Path) -> None:
    files = tmp_path / ".ssh"
    (files / "config.d").mkdir(parents=True, mode=0o700)
    (files / "mine").write_bytes(sandbox.private_key().read_bytes())
    (files / "mine").chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", files / "ca"], check=True)
    key = "/etc/ssh/ssh_host_ed25519_key"
    (tmp_path / "host.pub").write_text(fleet.inside("web2", "cat", f"{key}.pub"))
    sign = ["ssh-keygen", "-q", "-s", files / "ca", "-I", "web2", "-h", "-n", "gate.test", tmp_path / "host.pub"]
    subprocess.run(sign, check=True)
    certificate = (tmp_path / "host-cert.pub").read_text()
    known = next(each.host_keys[0] for each in sandbox.listing() if each.name == f"{fleet.name}-data1")
    files.joinpath("known_hosts").write_text(
        f"damaged\n@cert-authority *.test  {(files / 'ca.pub').read_text()}data1   {known}\n"
    )
    files.joinpath("config").write_text("Include config.d/*\nHost *\n  ProxyJump gate.test\n")
    files.joinpath("config.d", "fleet").write_text(
        f"Host gate.test\n  HostName {fleet.address('web2')}\n  HostKeyAlias gate.test\n  ProxyJump none\n"
        f"Host data1\n  HostName {fleet.address('data1')}\n  HostKeyAlias data1\n  ProxyJump gate.test,gate.test\n"
        "Host *\n  IdentityFile ~/.ssh/mine\n  IdentitiesOnly yes\n  User root\n"
    )
    fleet.inside("web2", "sh", "-c", f"echo '{certificate}' > {key}-cert.pub")
    fleet.inside("web2", "sh", "-c", f"echo 'HostCertificate {key}-cert.pub' > /etc/ssh/sshd_config.d/signed.conf")
    fleet.inside("web2", "systemctl", "reload", "ssh")
    # A file of its own: the ssh files would count for no sandbox host.
    name = f"{fleet.name}-own"
    (fleet.hosts / f"{name}.toml").write_text(
        '[app]\nname = "own"\nrepo = "."\n[hosts.web2]\naddress = "gate.test"\n[hosts.data1]\naddress = "data1"\n'
    )
    home = {"HOME": str(tmp_path)}
    try:
        said = fleet.fab("-H", name, "run", "hostname", env=home).stdout
        assert f"{fleet.name}-web2" in said and f"{fleet.name}-data1" in said
        with files.joinpath("known_hosts").open("a") as stream:
            stream.write(f"@revoked * {known}\n")
        failed = fleet.fab("-H", f"{name}/data1", "run", "hostname", code=1, env=home)
        assert f"REVOKED by {files}/known_hosts:4" in failed.stdout + failed.stderr
        files.joinpath("config").write_text("Host *\n  ProxyJump gate.test\n")
        failed = fleet.fab("-H", name, "run", "hostname", code=1, env=home)
        assert "gate.test reached through gate.test itself" in failed.stdout + failed.stderr
    finally:
        (fleet.hosts / f"{name}.toml").unlink()
        fleet.inside("web2", "rm", "/etc/ssh/sshd_config.d/signed.conf", f"{key}-cert.pub")
        fleet.inside("web2", "systemctl", "reload", "ssh")


def test_a_host_key_that_changed_is_refused(fleet: Fleet) -> None:
    address = fleet.address("web1")
    other = next(each.host_keys[0] for each in sandbox.listing() if each.name == f"{fleet.name}-web2")
    plain = f'[hosts.web1]\naddress = "{address}"\nuser = "root"\nkey = "{sandbox.private_key()}"\nhost_key = "{other}"'
    with changed(fleet, {"[hosts.web1]": plain, "sandbox = true\n\n[hosts.web2]": "\n[hosts.web2]"}):
        said = refused(fleet, "-H", f"{fleet.name}/web1", "run", "true", code=1)
    assert "ITS HOST KEY HAS CHANGED" in said
    assert "SHA256:" in said


def test_an_unknown_host_key_is_refused_until_it_is_trusted(fleet: Fleet) -> None:
    address = fleet.address("web1")
    plain = f'[hosts.web1]\naddress = "{address}"\nuser = "root"\nkey = "{sandbox.private_key()}"'
    known = fleet.hosts / "known_hosts"
    known.unlink(missing_ok=True)
    with changed(fleet, {"[hosts.web1]": plain, "sandbox = true\n\n[hosts.web2]": "\n[hosts.web2]"}):
        said = refused(fleet, "-H", f"{fleet.name}/web1", "run", "true", code=1)
        assert f"fab -H {fleet.name}/web1 trust" in said
        assert "SHA256:" in said
        fleet.fab("-H", f"{fleet.name}/web1", "trust", "--yes")
        fleet.fab("-H", f"{fleet.name}/web1", "run", "true")
    assert known.read_text().startswith(address)
    known.unlink()
