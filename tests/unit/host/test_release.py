from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hawser.host import release as releases
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.secrets import Secrets, in_file
from hawser.templates.rendering import BUILT_IN, Templates

COMMIT = "0123456789abcdef0123456789abcdef01234567"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
SETTINGS: dict[str, Any] = {
    "name": "shop",
    "app": {"name": "shop", "repo": ".", "branch": "main", "keep": 5},
    "env": {"required": ["KEY"], "variables": {"KEY": "{{ secrets.KEY }}"}},
    "release": {"build": ["make"], "batch": 1},
    "processes": {"web": {"command": "gunicorn shop.wsgi --bind unix:{{ socket }}", "health": {"status": ["200-299"]}}},
    "site": {"domains": ["shop.test"], "static": {"/static/": "static"}},
    "files": [{"path": "/etc/shop.json", "content": "{}", "mode": "0600"}],
    "hosts": {
        "web1": {"address": "10.0.0.1", "groups": ["web"], "vars": {"slots": 4, "names": ["a", "b"]}},
        "web2": {"address": "10.0.0.2", "groups": ["web"]},
    },
    "ssh": {"user": "deploy"},
}


def environment(*path: str, to: Any = None) -> Environment:
    """Return the environment, with the setting at a path replaced."""
    settings = json.loads(json.dumps(SETTINGS))
    table = settings
    for key in path[:-1]:
        table = table.setdefault(key, {})
    if path:
        table[path[-1]] = to
    return Environment.model_validate(settings)


def unread(release: Release) -> str:
    """Stand in for what processes start with."""
    return ""


@pytest.fixture
def release() -> Callable[..., Release]:
    def release(
        settings: Environment | None = None,
        commit: str = COMMIT,
        secret: str = "s-e-c-r-e-t",
        used: dict[str, str] | None = None,
        addresses: dict[str, str] | None = None,
        texts: Callable[[Release], object] | None = None,
    ) -> Release:
        templates = Templates(kept=used or {"run.sh.j2": "#!/bin/sh\n"})
        reached = addresses or {"web1": "10.0.0.1", "web2": "10.0.0.2"}
        secrets = Secrets("shop", in_file(Path("shop.env")), {"KEY": secret})
        return Release.of(commit, settings or environment(), templates, secrets, reached, texts=texts or unread)

    return release


class TestName:
    def test_the_name_of_a_release_is_ten_digits_of_the_commit_and_eight_of_all_else(self, release):
        commit, _, rest = release().id.partition("-")
        assert (commit, len(rest)) == (COMMIT[:10], 8)

    def test_the_name_of_a_release_is_the_same_for_the_same_inputs(self, release):
        assert release().id == release().id

    @pytest.mark.parametrize(
        ("path", "to"),
        [
            ("env.variables.MORE", "1"),
            ("release.build", ["make all"]),
            ("processes.web.stop_timeout", 60),
            ("processes.web.extra", {"Nice": "5"}),
            ("site.domains", ["shop.example.org"]),
            ("files", []),
            ("python.own", True),
            ("app.root", "/opt/shop"),
            ("hosts.web1.vars", {"slots": 5}),
            ("hosts.web2.groups", ["web", "more"]),
            ("hosts.web3", {"address": "10.0.0.3"}),
        ],
    )
    def test_the_name_of_a_release_changes_with_what_is_rendered(self, release, path, to):
        addresses = {"web1": "10.0.0.1", "web2": "10.0.0.2", "web3": "10.0.0.3"}
        changed = release(environment(*path.split("."), to=to), addresses=addresses)
        assert changed.id != release(addresses=addresses).id

    @pytest.mark.parametrize(
        ("path", "to"),
        [
            ("app.branch", "next"),
            ("app.keep", 9),
            ("release.batch", "50%"),
            ("ssh.user", "root"),
            ("ssh.connect_timeout", 30),
            ("hosts.web1.user", "admin"),
            ("hosts.web1.port", 2222),
            ("hosts.web1.jump", "bastion"),
            ("updates", {"unattended": True}),
            ("team", {"ann": {"keys": [KEY], "role": "admin"}}),
            ("sshd", {"passwords": False}),
            ("notify", {"urls": ["json://example.org"]}),
            ("backup.offsite", {"repository": "/mnt/vault", "password": "DB_PASSWORD"}),
        ],
    )
    def test_the_name_of_a_release_does_not_change_with_how_it_is_brought_there(self, release, path, to):
        assert release(environment(*path.split("."), to=to)).id == release().id

    def test_the_name_of_a_release_changes_with_commit_secret_template_and_address(self, release):
        names = {
            release().id,
            release(commit=COMMIT[::-1]).id,
            release(secret="another").id,
            release(used={"run.sh.j2": "#!/bin/sh -e\n"}).id,
            release(addresses={"web1": "10.0.0.1", "web2": "10.9.9.9"}).id,
        }
        assert len(names) == 5

    def test_hawser_alone_differs_when_it_gets_settings_that_nobody_has_set(self, release):
        # A setting that is new stands in LATER: everything would restart when the first one with it deploys.
        once = release(environment("once", "admin", to={"command": "./make-admin"}))
        assert (once.besides[:8], once.process_inputs) == ("f5c500b1", "b8a4968caabe1181")

    def test_the_name_of_a_release_changes_with_a_setting_that_former_versions_did_not_know(self, release):
        before = environment("once", "admin", to={"command": "./make-admin", "before": "migrate"})
        assert release(before).id != release(environment("once", "admin", to={"command": "./make-admin"})).id

    def test_the_name_of_a_release_does_not_depend_on_the_order_in_which_templates_were_used(self, release):
        assert release(used={"a": "1", "b": "2"}).id == release(used={"b": "2", "a": "1"}).id

    def test_the_name_of_a_release_does_not_depend_on_where_the_file_lies(self, release):
        assert release(environment("path", to="/elsewhere/shop.toml")).id == release().id


CRON = {"nightly": {"schedule": "@daily", "command": "true"}}


class TestWhatProcessesRead:
    @pytest.mark.parametrize(
        ("path", "to"),
        [
            ("cron", {"nightly": {"schedule": "@weekly", "command": "true"}}),
            ("cron", {"nightly": {"schedule": "@daily", "command": "true", "environment": {"A": "1"}}}),
            ("cron", {**CRON, "hourly": {"schedule": "@hourly", "command": "true", "groups": ["web"]}}),
            ("cron", {}),
            ("processes.web.restart_at", "@daily"),
        ],
    )
    def test_cron_lines_make_another_release_in_which_processes_read_the_same(self, release, path, to):
        before = environment("cron", to=CRON)
        settings = json.loads(before.model_dump_json())
        *tables, key = path.split(".")
        table = settings
        for each in tables:
            table = table[each]
        table[key] = to
        after = release(Environment.model_validate(settings))
        assert after.id != release(before).id
        assert after.process_inputs == release(before).process_inputs != ""

    def test_the_templates_of_a_first_cron_line_are_read_by_no_process(self, release):
        both = {"run.sh.j2": "#!/bin/sh\n", "cron.j2": "x", "cron-record.sh.j2": "y"}
        assert release(used=both).process_inputs == release().process_inputs

    def test_processes_may_read_commit_secrets_settings_templates_and_addresses(self, release):
        read = {
            release().process_inputs,
            release(commit=COMMIT[:10] + "f" * 30).process_inputs,
            release(secret="another").process_inputs,
            release(environment("env", "variables", to={"KEY": "x"})).process_inputs,
            release(environment("processes", "web", "stop_timeout", to=60)).process_inputs,
            release(used={"run.sh.j2": "#!/bin/sh -e\n"}).process_inputs,
            release(addresses={"web1": "10.0.0.1", "web2": "10.9.9.9"}).process_inputs,
        }
        assert len(read) == 7

    @pytest.mark.parametrize(
        "text", ["{{ environment.cron }}", "{% for x in environment['processes'] %}{{ x.restart_at }}{% endfor %}"]
    )
    def test_a_template_that_tells_of_cron_lines_has_processes_read_them(self, release, text):
        used = {"jobs.json.j2": text}
        with_lines = release(environment("cron", to=CRON), used=used)
        assert with_lines.process_inputs != release(used=used).process_inputs

    def test_a_kept_release_says_what_its_processes_read_and_one_of_before_does_not(self, release):
        made = release()
        assert Release.from_inputs(written(made), environment()).process_inputs == made.process_inputs
        older = {key: value for key, value in written(made).items() if key != "process_inputs"}
        assert Release.from_inputs(older, environment()).process_inputs == ""

    def test_what_processes_start_with_counts_and_what_cron_alone_does_is_not_rendered_for_it(self, release):
        seen = []

        def texts(made: Release) -> str:
            seen.append(dict(made.environment.cron))
            return str(len(seen))

        before = environment("cron", to=CRON)
        first, second = release(before, texts=texts), release(before, texts=texts)
        assert first.id == second.id and first.process_inputs != second.process_inputs
        assert seen == [{}, {}]
        release(before, used={"jobs.json.j2": "{{ environment.cron }}"}, texts=texts)
        assert [*seen[2]] == ["nightly"]

    def test_of_the_templates_that_hawser_brings_processes_read_what_they_become_alone(self, release):
        shipped = (BUILT_IN / "run.sh.j2").read_text()
        named = {"run.sh.j2": shipped}, {"own.j2": "x", "run.sh.j2": shipped}, {"own.j2": "x"}
        ours, both, own = (release(used=used) for used in named)
        assert len({ours.id, both.id, own.id}) == 3
        assert both.process_inputs == own.process_inputs != ours.process_inputs

    def test_hawser_alone_differs_only_where_nothing_else_does(self, release, monkeypatch):
        former = release()
        monkeypatch.setattr(releases, "this_version", lambda: "0.2.0+0123456789ab")
        now = release()
        assert now.id != former.id and now.process_inputs == former.process_inputs
        assert now.differs_by_hawser(former.id, former.hawser)
        assert not now.differs_by_hawser(former.id, "") and not now.differs_by_hawser(former.id, "0.0.9")
        assert not now.differs_by_hawser(now.id, now.hawser)
        assert not release(secret="another").differs_by_hawser(former.id, former.hawser)
        # Of a kept one nobody knows its secrets.
        assert not Release.from_inputs(written(now), environment()).differs_by_hawser(former.id, former.hawser)

    @pytest.mark.parametrize("said", ["\x1b[2J", "a b", "x" * 101, 5, None])
    def test_a_kept_release_names_its_hawser_in_a_word_or_is_refused(self, release, said):
        made = release()
        assert Release.from_inputs(written(made), environment()).hawser == made.hawser != ""
        with pytest.raises(ValueError, match="it does not"):
            Release.from_inputs({**written(made), "hawser": said}, environment())

    @pytest.mark.parametrize("said", ["a\n[Service]", "x", 5])
    def test_a_kept_release_that_says_something_else_there_is_refused(self, release, said):
        with pytest.raises(ValueError, match="it does not"):
            Release.from_inputs({**written(release()), "process_inputs": said}, environment())


def written(made: Release) -> dict[str, Any]:
    """Return what a host keeps of a release, as it is read there."""
    found: dict[str, Any] = json.loads(made.inputs)
    return found


class TestInputs:
    def test_what_a_host_keeps_does_not_grow_with_the_number_of_hosts(self, release):
        assert "hosts" not in written(release())["settings"]

    def test_one_that_an_older_version_has_kept_with_its_hosts_is_read(self, release):
        made = written(release())
        made["settings"]["hosts"] = {"gone": {"address": "10.9.9.9"}}
        assert set(Release.from_inputs(made, environment()).environment.hosts) == {"web1", "web2"}

    def test_kept_inputs_give_back_the_release(self, release):
        made = release()
        read = Release.from_inputs(written(made), environment())
        assert (read.id, read.commit, read.environment) == (made.id, made.commit, made.environment)
        assert read.templates.used == made.templates.used

    @pytest.mark.parametrize(
        ("named", "kept"), [(COMMIT, COMMIT), ("refs/pull/1/head", "refs/pull/1/head"), ("1" * 40, ""), ("--all", "")]
    )
    def test_kept_inputs_give_back_by_what_the_commit_is_fetched(self, release, named, kept):
        made = dataclasses.replace(release(), named=named)
        assert Release.from_inputs(written(made), environment()).named == kept

    def test_kept_inputs_keep_settings_and_templates_of_their_own(self, release):
        made = release(used={"run.sh.j2": "kept"})
        read = Release.from_inputs(written(made), environment("site", "domains", to=["other.test"]))
        assert read.environment.site is not None and read.environment.site.domains == ("shop.test",)
        assert read.templates.file("run.sh.j2", {}) == "kept"

    def test_kept_inputs_take_the_hosts_and_the_way_to_them_from_today(self, release):
        today = environment("hosts", to={"new1": {"address": "10.0.0.7", "user": "root"}})
        read = Release.from_inputs(written(release()), today)
        assert (read.environment.hosts, read.environment.ssh) == (today.hosts, today.ssh)

    @pytest.mark.parametrize("here", [{"plugin": "linode", "credentials": {"key": "{{ secrets.LINODE }}"}}, None])
    def test_what_writes_into_dns_is_todays_whatever_was_kept(self, release, here):
        there = {"plugin": "rfc2136", "credentials": {"server": "192.0.2.66", "name": "x", "secret": "{{ secrets.X }}"}}
        former = environment("site", "acme", to={"dns": there})
        today = environment("site", "acme", to={"dns": here})
        read = Release.from_inputs(written(release(former)), today).environment.site.acme.dns
        assert (read.model_dump(mode="json") if read else None) == (here and {**here, "propagation": None})
        without = environment("site", to=None)
        assert Release.from_inputs(written(release(former)), without).environment.site.acme.dns is None

    def test_kept_inputs_say_what_certificates_are_called_and_today_all_else(self, release):
        former = {"certificate": "a.crt", "key": "a.key", "names": ["a.test"], "files": {"key": "former.pem"}}
        now = {**former, "key": "b.key", "files": {"key": "now.pem"}}
        today = environment("certificates", to={"server": now})
        made = release(environment("certificates", to={"server": former}))
        assert made.id != release(today).id
        read = Release.from_inputs(written(made), today).environment.certificates["server"]
        assert (read.key, read.files.key) == ("b.key", "former.pem")

    def test_kept_inputs_find_the_files_beside_the_environment_file_of_today(self, release):
        today = environment("path", to="/project/hosts/shop.toml")
        assert Release.from_inputs(written(release(today)), today).environment.path == today.path

    def test_kept_inputs_are_the_same_text_when_read_and_written_again(self, release):
        made = release()
        assert Release.from_inputs(written(made), environment()).inputs == made.inputs

    def test_kept_inputs_hold_no_secret(self, release):
        text = release(secret="s-e-c-r-e-t").inputs
        assert "s-e-c-r-e-t" not in text and "{{ secrets.KEY }}" in text

    @pytest.mark.parametrize("kept", [{}, {"settings": {}}, {"settings": {"app": 1}}])
    def test_kept_inputs_that_lack_something_are_a_value_error(self, kept):
        with pytest.raises(ValueError):
            Release.from_inputs(kept, environment())

    @pytest.mark.parametrize("part", ["settings", "templates"])
    @pytest.mark.parametrize("other", [None, 1, "text", ["a"], {"app": 1}, {"app": {}, "site": ["a"]}])
    def test_kept_inputs_of_another_shape_are_a_value_error(self, release, part, other):
        with pytest.raises(ValueError):
            Release.from_inputs({**written(release()), part: other}, environment())

    def test_kept_inputs_are_not_changed_by_reading_them(self, release):
        kept = written(release())
        Release.from_inputs(kept, environment("app", "branch", to="other"))
        assert kept == written(release())

    def test_kept_inputs_of_a_later_version_are_a_value_error(self, release):
        kept = json.loads(release().inputs)
        kept["settings"]["app"]["later"] = True
        with pytest.raises(ValueError):
            Release.from_inputs(kept, environment())
