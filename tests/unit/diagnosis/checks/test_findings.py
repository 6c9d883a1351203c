from __future__ import annotations

import time

import pytest

from hawser.diagnosis.checks import Check, Finding, application, certificates, hosts, network
from hawser.errors import HawserError, Problem, StepFailed
from hawser.runner.main import ASKABLE

from .conftest import SERVES, Runner, listed, told

ROOM = {"path": "/", "free": 50 * 2**30, "total": 100 * 2**30, "files_free": 5, "files_total": 9, "read_only": False}


def listener(port, program="", address="127.0.0.1", unit="", pid=7, pids=()):
    return {"port": port, "program": program, "address": address, "unit": unit, "pid": pid, "pids": [pid, *pids]}


NGINX = [listener(80, "nginx", "0.0.0.0"), listener(443, "nginx", "0.0.0.0")]


class TestTheRegistry:
    def test_every_module_of_checks_is_asked_and_says_what_it_is_about(self):
        titles = [check.title for check in (*Check.on_hosts, *Check.at_home)]
        assert {"disk", "ports", "processes", "certificate", "names"} <= set(titles)
        assert all(check.function.__doc__ for check in (*Check.on_hosts, *Check.at_home))

    def test_an_error_becomes_a_finding_with_its_next_move(self):
        unknown = HawserError("no key", host="web1", next="fab -H web1 trust")
        assert Finding.of_error(unknown) == Finding("no key", "fab -H web1 trust")
        assert Finding.of_error(HawserError("refused;", next="ssh it")) == Finding("refused", "ssh it")
        assert Finding.of_error(HawserError("broken")) == Finding("broken")

    def test_a_mistake_in_a_file_is_told_with_its_place(self):
        found = Finding.of_problem(Problem("shop.toml", "site", "is missing"))
        assert (found.message, found.next) == ("shop.toml: site: is missing", "mend shop.toml")

    def test_questions_of_the_checks_may_be_asked_of_a_runner(self, host):
        runner = Runner(looks__rooms=[], looks__failed_units=listed(), looks__memory={"free": 9, "total": 9})
        list(hosts.disk(host(), runner))
        list(hosts.units(host(), runner))
        assert runner.asked.keys() <= ASKABLE.keys()


class TestRestores:
    def test_a_restore_that_was_broken_off_is_found_with_what_ends_it(self, host):
        left = [{"database": "shop", "backup": "b1", "what": "the restore of shop from b1 is not complete"}]
        runner = Runner(restores__left=left)
        (found,) = application.restores(host("data1"), runner)
        assert (found.message, found.warning) == (left[0]["what"], False)
        assert "fab -H shop/data1 resume" in found.next and "db.restore b1 --database shop" in found.next
        assert runner.asked["restores.left"] == {"databases": [{"database": "shop", "engine": "postgresql"}]}
        assert "restores.left" in ASKABLE

    def test_a_host_without_databases_is_not_asked_about_restores(self, host):
        assert told(application.restores(host("web1"), Runner())) == []


class TestWhatSomebodyHasMultiplied:
    @pytest.mark.parametrize(
        ("check", "question", "what"),
        [
            (network.ports, "ports__listening", "sockets that listen"),
            (application.strays, "strays__listing", "programs outside of every unit"),
            (hosts.units, "looks__failed_units", "units that have failed"),
        ],
    )
    def test_rows_that_are_not_shown_are_a_finding(self, host, check, question, what):
        said = f"warning: 99,000 more {what} are not shown"
        assert said in told(check(host(), Runner(**{question: listed(more=99_000)})))
        assert said not in told(check(host(), Runner(**{question: listed()})))


class TestTheHost:
    def test_a_known_system_is_no_finding(self, host):
        assert told(hosts.system(host(), Runner())) == []

    def test_another_system_is_a_warning_and_no_root_or_an_old_python_is_wrong(self, host):
        facts = {"os": {"id": "fedora", "version": "40"}, "uid": 1000, "python": "3.6.8"}
        assert told(hosts.system(host(facts=facts), Runner())) == [
            "warning: runs fedora 40",
            "the runner is not root there",
            "its python3 is 3.6.8",
        ]

    def test_a_unit_of_ours_that_failed_is_wrong_and_another_one_a_warning(self, host):
        runner = Runner(looks__failed_units=listed({"unit": "shop-web-blue.service"}, {"unit": "motd-news.service"}))
        assert told(hosts.units(host(), runner)) == [
            "shop-web-blue.service has failed",
            "warning: motd-news.service has failed",
        ]

    @pytest.mark.parametrize(
        ("offset", "said"),
        [
            (0.5, []),
            (-5, ["warning: its clock is 5 s behind this machine's"]),
            (90, ["its clock is 90 s ahead of this machine's"]),
        ],
    )
    def test_the_clock_of_a_host_is_compared_with_ours(self, host, offset, said):
        assert told(hosts.clock(host(), Runner(looks__clock=time.time() + offset))) == said

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({}, []),
            ({"free": 8 * 2**30}, ["warning: 8.0 of 100 GiB are free at /"]),
            ({"free": 1 * 2**30}, ["1.0 of 100 GiB are free at /"]),
            ({"free": 40 * 2**20, "total": 2**30}, ["0.0 of 1 GiB are free at /"]),
            ({"files_free": 1, "files_total": 1000}, ["1 of 1000 inodes are free at /"]),
            ({"files_free": 0, "files_total": 0}, []),
            ({"read_only": True}, ["the file system of / is read-only"]),
        ],
    )
    def test_a_file_system_has_room_for_bytes_and_files(self, host, change, said):
        assert told(hosts.disk(host(), Runner(looks__rooms=[{**ROOM, **change}]))) == said

    def test_little_memory_is_a_warning(self, host):
        said = told(hosts.memory(host(), Runner(looks__memory={"free": 2**20, "total": 2**30})))
        assert said == ["warning: 1 of 1024 MiB of memory are available"]

    @pytest.mark.parametrize("wanted", ["3.12", "3.11.9", "3.1"])
    def test_a_python_that_a_host_lacks_is_wrong_with_the_ways_out(self, host, wanted):
        why = f"this host has no Python {wanted}, and uv cannot fetch one: files.test: no answer"
        runner = Runner(interpreters__missing=why)
        python = {"interpreter": wanted, "mirror": "https://files.test/pythons/"}
        (found,) = hosts.python(host(python=python), runner)
        assert found.message == why and not found.warning
        assert (
            "python.upload, which brings one from this machine" in found.next
            and 'python.interpreter = "3.11"' in found.next
        )
        asked = {"interpreter": wanted, "mirror": "https://files.test/pythons", "folder": "/srv/shop/envs"}
        assert runner.asked["interpreters.missing"] == asked

    @pytest.mark.parametrize("wanted", [None, "3.11", "3.11.2", "/opt/python3.12/bin/python3"])
    def test_the_hosts_own_python_is_not_asked_for(self, host, wanted):
        runner = Runner()
        assert not list(hosts.python(host(python={"interpreter": wanted}), runner))
        brought = {"python": {"interpreter": "3.12"}, "packages": {"all": ["python3.12"]}}
        assert not list(hosts.python(host(**brought), runner))
        assert not runner.asked

    def test_a_mount_that_is_missing_is_named_by_check(self, host):
        assert told(hosts.mounts(host(), Runner(looks__unmounted=["/data"]))) == [
            "/etc/fstab wants a mount at /data, and there is none"
        ]

    @pytest.mark.parametrize(
        ("more", "hint"), [({"source": "nas:/media"}, "fab -H shop/web1 bootstrap"), ({}, "mount it")]
    )
    def test_a_share_that_is_not_mounted_is_named_with_the_next_move(self, host, more, hint):
        shared = host(shares={"media": {"path": "/srv/media", **more}})
        (finding,) = hosts.shares(shared, Runner(looks__unmounted=["/srv/media"]))
        assert finding.message == "/srv/media is not mounted, and [shares.media] needs it"
        assert finding.next.startswith(hint) and not finding.warning


class TestTheApplication:
    def test_a_program_outside_of_every_unit_is_a_warning(self, host):
        row = {"pid": 812, "command": "redis-server", "ports": ["0.0.0.0:29387"], "unit": "ssh.service"}
        runner = Runner(strays__listing=listed(row))
        (finding,) = application.strays(host(), runner)
        assert finding.message == "redis-server (pid 812, listens on 0.0.0.0:29387) runs outside of every unit"
        assert (finding.next, finding.warning) == ('fab -H shop/web1 run "kill 812"', True)
        assert runner.asked["strays.listing"] == {"user": host().app.user}

    def test_what_pruning_cannot_remove_is_a_warning_with_the_way_out(self, host):
        held = "/srv/shop/releases/a is not removed, for something else is mounted in it: /srv/shop/releases/a/x"
        (found,) = application.releases(host(), Runner(releases__stuck=[held]))
        assert (found.message, found.warning) == (held, True)
        assert found.next == "fab -H shop/web1 releases.prune, when nothing keeps it any more"

    def test_a_host_that_is_not_bootstrapped_is_a_warning(self, host):
        assert told(application.bootstrap(host(facts={"bootstrapped": False}), Runner())) == [
            "warning: was not made ready yet"
        ]

    def test_a_reload_that_is_due_is_wrong(self, host):
        assert told(application.bootstrap(host(), Runner(looks__pending=2))) == [
            "2 reloads or restarts are due since a run was broken off"
        ]

    def test_the_python_of_an_environment_that_is_gone_is_wrong(self, host):
        (found,) = application.release(host(facts={"gone_python": "/usr/bin/python3.11"}), Runner())
        assert "/usr/bin/python3.11, with which its environment was made" in found.message
        assert "fab -H shop bootstrap deploy" in found.next

    def test_an_open_rollout_is_wrong(self, host):
        facts = {"journal": {"release": "abc"}, "closed": True}
        assert told(application.release(host(facts=facts), Runner())) == [
            "a rollout of abc was not completed",
            "warning: the site shows its maintenance page",
        ]

    def test_a_process_that_does_not_run_and_one_that_is_not_well_are_wrong(self, host):
        row = {"manager": "systemd", "unit": "shop-api", "process": "api", "state": "failed (failed)", "active": False}
        web = {**row, "unit": "shop-web-blue", "process": "web", "state": "active (running)", "active": True}
        facts = {"processes": (row, web), "live": {"web": "blue"}}
        runner = Runner(survey__health={"web": "answers 500"})
        assert told(application.processes(host(facts=facts), runner)) == [
            "api is failed (failed)",
            "web is not healthy: answers 500",
        ]
        assert [each["name"] for each in runner.asked["survey.health"]["checks"]] == ["web"]

    @pytest.mark.parametrize(
        ("change", "told_of"),
        [
            ({}, False),
            ({"trial": False}, True),
            ({"extra": {"RuntimeDirectory": "api"}}, True),
            ({"trial": False, "spare_port": 8011}, False),
            ({"single": True}, False),
            ({"command": "api --port 8001"}, False),
            ({"groups": ["data"]}, False),
        ],
    )
    def test_a_process_that_a_deploy_takes_away_untried_is_told(self, host, change, told_of):
        api = {"groups": ["web"], "command": "api --port {{ port }}", "port": 8001, **change}
        site = {"domains": ["shop.example.org"], "groups": ["web"], "proxy": {"/": "api"}}
        said = told(application.in_place([host(processes={"api": api}, site=site)]))
        one = "warning: api has one port: a deploy takes it away before the new release was tried on it"
        assert said == ([one] if told_of else [])

    def test_hosts_that_serve_two_releases_are_wrong(self, host):
        both = {"processes": {"web": {"command": "x"}}}
        one, other = host(**both), host("data1", {"current": "2222222222-bbbbbbbb"}, **both)
        (said,) = told(application.commits([one, other]))
        assert said.startswith("the hosts serve different releases: web1 1111111111-aaaaaaaa, data1 2222222222")
        assert told(application.commits([one, host("data1", **both)])) == []


class TestTheNetwork:
    def test_names_that_lead_elsewhere_are_a_warning_and_those_that_lead_nowhere_are_wrong(self, host, monkeypatch):
        known = {"10.0.0.11": {"10.0.0.11"}, "a.org": {"10.0.0.11", "::1"}, "b.org": {"192.0.2.1"}}
        monkeypatch.setattr(network, "addresses_of", lambda name: known.get(name, set()))
        site = {"domains": ["a.org", "b.org", "c.org", "d.test"], "proxy": {"/": "web"}}
        assert told(network.names([host(site=site)])) == [
            "warning: b.org leads to 192.0.2.1, which is no host of the site",
            "c.org does not resolve",
            "warning: d.test is a name that no name server knows, by agreement",
        ]

    def test_a_port_that_somebody_else_has_is_wrong(self, host):
        sockets = [listener(80, "apache2", "0.0.0.0", "apache2.service"), listener(8001, "python3")]
        assert told(network.ports(host(), Runner(ports__listening=listed(*sockets)))) == [
            "port 8001 of api is taken by python3 (pid 7, no unit)",
            "port 80 of nginx is taken by apache2 (pid 7, apache2.service)",
        ]

    def test_a_unit_that_a_host_names_is_no_option_of_the_command_that_is_shown(self, host):
        row = listener(8001, "python3", unit="-Hroot@evil.test")
        (found,) = network.ports(host(), Runner(ports__listening=listed(row)))
        assert found.next.startswith('fab -H shop/web1 run "systemctl disable --now -- -Hroot@evil.test", or give api')
        (found,) = hosts.units(host(), Runner(looks__failed_units=listed({"unit": "-Hroot@evil.test"})))
        assert found.next == 'fab -H shop/web1 run "journalctl -n 30 --unit=-Hroot@evil.test"'

    @pytest.mark.parametrize("pid", [0, 1])
    def test_nobody_is_told_to_kill_the_first_process_or_a_whole_group(self, host, pid):
        (found,) = network.ports(host(), Runner(ports__listening=listed(listener(8001, pid=pid))))
        assert found.next == "give api another port"

    def test_the_ports_of_the_site_are_those_of_the_server_that_is_asked_for(self, host):
        site = {"domains": ["a.org"], "server": "apache", "proxy": {"/": "api"}}
        sockets = [listener(80, "apache2", "0.0.0.0"), listener(443, "nginx", "0.0.0.0", "nginx.service")]
        assert told(network.ports(host(site=site), Runner(ports__listening=listed(*sockets)))) == [
            "port 443 of apache2 is taken by nginx (pid 7, nginx.service)"
        ]

    def test_a_port_in_its_owners_hands_is_fine(self, host):
        facts = {"processes": ({"process": "api", "unit": "shop-api", "manager": "systemd", "pid": 50},)}
        sockets = [*NGINX, listener(8001, "python3", pid=51, pids=[50])]
        assert told(network.ports(host(facts=facts), Runner(ports__listening=listed(*sockets)))) == []

    @pytest.mark.parametrize("asked", [{}, {"public": True}, {"firewall": {"rules": [{"ports": ["8000-8005"]}]}}])
    def test_a_process_that_is_open_to_all_is_a_warning_unless_it_was_asked_to(self, host, asked):
        facts = {"processes": ({"process": "api", "unit": "shop-api", "manager": "systemd", "pid": 50},)}
        sockets = [*NGINX, listener(8001, "python3", "0.0.0.0", "shop-api.service")]
        api = {"groups": ["web"], "command": "api", "port": 8001, "public": asked.get("public", False)}
        web = {"groups": ["web"], "command": "gunicorn --bind unix:{{ socket }}"}
        tables = {"processes": {"api": api, "web": web}, "firewall": asked.get("firewall")}
        said = told(network.ports(host(facts=facts, **tables), Runner(ports__listening=listed(*sockets))))
        assert said == ([] if asked else ["warning: api listens on port 8001 on every address"])

    @pytest.mark.parametrize("socket", ["systemd", "supervisor"])
    def test_what_a_public_process_opens_beside_its_port_is_a_warning_all_the_same(self, host, socket):
        facts = {"processes": ({"process": "api", "unit": "shop-api", "manager": socket, "pid": 50},)}
        unit = "shop-api.service" if socket == "systemd" else "supervisor.service"
        sockets = [
            listener(port, "python3", address, unit, pids=[50]) for port, address in ((8001, "::"), (9021, "::"))
        ]
        api = {"groups": ["web"], "command": "api", "port": 8001, "public": True, "manager": socket}
        web = {"groups": ["web"], "command": "gunicorn --bind unix:{{ socket }}"}
        here = host(facts=facts, processes={"api": api, "web": web})
        (found,) = network.ports(here, Runner(ports__listening=listed(*NGINX, *sockets)))
        assert found.message == "api listens on port 9021 on every address"
        assert found.next == "have it listen on 127.0.0.1, or have a rule of the firewall for it"

    def test_a_database_that_cannot_be_reached_is_wrong_for_its_clients(self, host):
        runner = Runner(looks__reach={"10.0.0.21 5432": "Connection refused"})
        assert told(network.services(host(), runner)) == [
            "cannot reach postgresql on data1 at 10.0.0.21:5432: Connection refused"
        ]
        runner = Runner(looks__reach={})
        list(network.services(host("data1"), runner))
        assert runner.asked["looks.reach"] == {"places": ["127.0.0.1 5432"]}

    def test_a_host_of_the_site_that_cannot_be_asked_for_the_answer_to_an_acme_server_is_wrong(self, host):
        site = {"domains": ["shop.example.org"], "groups": ["web", "data"], "tls": "acme", "listen": 8080}
        runner = Runner(looks__reach={"10.0.0.21 8080": "timed out"})
        (found,) = network.challenges(host(site=site), runner)
        assert found.message == (
            "cannot reach data1 at 10.0.0.21:8080, where the answer to the ACME server may lie: timed out"
        )
        assert found.next == "fab -H shop/data1 status; is a firewall in between?"
        assert runner.asked["looks.reach"] == {"places": ["10.0.0.21 8080"]}

    @pytest.mark.parametrize(
        "more", [{"groups": ["web"]}, {"tls": "self-signed"}, {"acme": {"dns": {"plugin": "cloudflare"}}}]
    )
    def test_where_no_other_host_is_asked_for_an_answer_none_has_to_be_reached(self, host, more):
        site = {"domains": ["shop.example.org"], "groups": ["web", "data"], "tls": "acme", **more}
        assert told(network.challenges(host(site=site), Runner())) == []

    def test_a_repository_that_cannot_be_read_is_wrong(self, host):
        def ask(function, **arguments):
            if function == "looks.resolve":
                assert arguments == {"names": ["git.example.org"]}
                return {"git.example.org": ""}
            raise StepFailed("no branch 'main'", host="web1")

        assert told(network.repository(host(), ask)) == ["no branch 'main'"]
        runner = Runner(looks__resolve={"git.example.org": "Name or service not known"})
        (said,) = told(network.repository(host(), runner))
        assert said.startswith("cannot resolve git.example.org")


GOOD = {"days": 90, "names": ["shop.example.org"], "self_signed": True}


class TestTheCertificate:
    @pytest.mark.parametrize(
        ("shown", "said"),
        [
            ({**GOOD, "names": ["*.example.org"]}, []),
            ({**GOOD, "days": 5}, ["warning: its certificate expires in 5 days"]),
            ({**GOOD, "days": -2}, ["its certificate expired 2 days ago"]),
            ({**GOOD, "names": ["other.org"]}, ["its certificate is not for shop.example.org"]),
            (None, ["there is no readable certificate at /srv/shop/ssl/site.crt"]),
        ],
    )
    def test_a_certificate_must_be_valid_and_for_all_names(self, host, shown, said):
        assert told(certificates.certificate(host(), Runner(certificates__shown=shown))) == said

    def test_the_certificate_of_a_program_is_looked_at_as_well(self, host):
        own = {"certificate": "a.crt", "key": "a.key", "names": ["ws.example.org"], "fallback": "self-signed"}
        runner = Runner(certificates__shown=GOOD)
        assert told(certificates.certificate(host(certificates={"ws": own}), runner)) == [
            "warning: the certificate ws is self-signed, until you bring your own",
            "the certificate ws is not for ws.example.org",
        ]

    def test_a_stand_in_for_a_certificate_of_an_acme_server_is_told(self, host):
        site = {"domains": ["shop.example.org"], "proxy": {"/": "web"}, "tls": "acme"}
        (said,) = certificates.certificate(host(site=site), Runner(certificates__shown=GOOD))
        assert said.warning and said.message == "its certificate is self-signed: the ACME server has given none yet"
        assert said.next == "fab -H shop certs.issue"
        real = {**GOOD, "self_signed": False}
        assert told(certificates.certificate(host(site=site), Runner(certificates__shown=real))) == []

    def test_no_certificate_is_wanted_where_nothing_serves_yet(self, host):
        assert told(certificates.certificate(host(facts={**SERVES, "current": ""}), Runner())) == []


def test_a_web_server_that_would_not_start_is_found_with_its_own_words(host):
    refuses = Runner(looks__refused='[emerg] unknown directive "x" in /etc/nginx/conf.d/foreign.conf:1')
    (said,) = told(network.web_server(host(), refuses))
    assert said.startswith("nginx refuses its configuration") and "foreign.conf:1" in said
    assert refuses.asked["looks.refused"] == {"server": "nginx"}
    well = {"astray": "", "remarks": []}
    assert told(network.web_server(host(), Runner(looks__refused="", sites__state=well))) == []
    assert told(network.web_server(host("data1"), Runner())) == []


def test_a_site_whose_name_leads_to_another_one_is_found_and_one_that_shares_it_is_a_warning(host):
    lost = {"astray": "demo.test on port 80 leads to another site: /etc/nginx/sites-enabled/old", "remarks": []}
    (said,) = network.web_server(host(), Runner(looks__refused="", sites__state=lost))
    assert said.message == lost["astray"] and not said.warning
    shared = {"astray": "", "remarks": ["/etc/nginx/conf.d/old.conf claims a name of this site as well"]}
    (said,) = network.web_server(host(), Runner(looks__refused="", sites__state=shared))
    assert said.message == shared["remarks"][0] and said.warning


def test_what_would_not_come_up_after_a_boot_is_found_with_the_words_of_who_refuses_it(host):
    row = {"process": "api", "unit": "shop-api", "manager": "systemd", "release": "r", "inputs": "", "state": "running"}
    there = {**row, "active": True, "enabled": True, "seconds": 1, "since": 0.0, "pid": 1, "live": True}
    here = host(facts={**SERVES, "processes": [there]})
    runner = Runner(looks__unbootable={"shop-api": "", "nginx": "nginx.service: Service has no ExecStart=", "cron": ""})
    (said,) = told(hosts.boot(here, runner))
    assert said == "nginx would not come up after a boot:\nnginx.service: Service has no ExecStart="
    assert runner.asked["looks.unbootable"] == {"units": ["shop-api", "nginx", "cron"]}
    runner = Runner(looks__unbootable={})
    assert told(hosts.boot(host("data1"), runner)) == []
    assert runner.asked["looks.unbootable"] == {"units": ["cron", "postgresql"]}
    assert told(hosts.boot(host(facts={**SERVES, "bootstrapped": False}), Runner())) == []
