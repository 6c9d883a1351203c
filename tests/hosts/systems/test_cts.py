"""CTS on two hosts: three instances of one application, as its deployment document has them.

Left out of `hosts/cts.toml` here: the old Python, its resolver and the patches of its pins, for which the stand-in
has no use.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from hawser import sandbox
from tests.hosts.conftest import APPS, PROJECT, Answer, Fleet, system, wait_for
from tests.hosts.terminal import Person
from tests.hosts.visitors import visitors

ROOT = "/var/www/cts"
DOMAIN = "cts.rescue.org"
# The last two numbers are the ports that the gunicorn of an instance has by turns.
INSTANCES = {
    "turkey": ("TR", "TRY", 8001, 8011),
    "iraq": ("IQ", "IQD", 8002, 8012),
    "jordan": ("JO", "JOD", 8003, 8013),
}
CODES = {instance: values[0] for instance, values in INSTANCES.items()}
PROGRAMS = sorted(
    f"cts-{name}"
    for instance in INSTANCES
    for name in (f"{instance}-server", f"celery-{instance}", f"celery-beat-{instance}")
)
SECRETS = {f"ONA_API_ACCESS_TOKEN_{code}": f"token-of-{code}" for code in CODES.values()}
FORMS = {"turkey": "4", "iraq": "6", "jordan": "7"}
PATCH = re.compile(r"(?m)^# Of these there is nothing that installs.*\n(?:\[\[patches\]\]\n(?:.+\n)+\n)+")
TEXT = (PROJECT / "hosts" / "cts.toml").read_text()
CHANGES = {
    'branch = "43eb3e3b78c19f9e1dc02158ca12fc0c5d6bb270"': 'branch = "main"',
    # The stand-in runs on the host's own Python, with the versions of today.
    'interpreter = "/opt/python2.7/bin/python2.7"\n': "",
    'resolver = "pip-legacy"\n': "",
    "".join(PATCH.findall(TEXT)): "",
    '"gcc", "libc6-dev", ': "",
}


@pytest.fixture(scope="module")
def bare_cts() -> Iterator[Fleet]:
    with system("cts", APPS / "cts", changes=CHANGES, secrets=SECRETS) as fleet:
        shutil.rmtree(fleet.hosts / "certs", ignore_errors=True)
        yield fleet


@pytest.fixture(scope="module")
def deployed(bare_cts: Fleet) -> str:
    """What the one command that makes a site of bare hosts has said."""
    return bare_cts.fab("-H", "cts", "bootstrap", "deploy").stdout


@pytest.fixture(scope="module")
def cts(bare_cts: Fleet, deployed: str) -> Fleet:
    return bare_cts


@pytest.fixture(scope="module")
def without_jordan(cts: Fleet) -> Fleet:
    """The next release, in which Jordan is no instance any more; a photo has been uploaded before."""
    cts.inside("web1", "runuser", "-u", "cts", "--", "sh", "-c", f"echo photo > {ROOT}/public/media/photo.jpg")
    text = cts.file.read_text()
    without, count = re.subn(r"(?ms)^\[instances\.jordan\]\n.*?^\n", "", text)
    assert count == 1
    cts.file.write_text(without)
    cts.commit({"cts/static/css/site.css": "body { color: green; }\n"})
    cts.fab("-H", "cts", "bootstrap", "deploy")
    return cts


def page(fleet: Fleet, path: str, scheme: str = "https") -> Answer:
    return fleet.visit("web1", path, scheme, DOMAIN)


def home(fleet: Fleet, code: str) -> dict[str, object]:
    """Return what the start page of an instance says of itself."""
    answer = page(fleet, f"/{code}/")
    assert answer.status == 200, answer.body
    return dict(json.loads(answer.body))


def sql(fleet: Fleet, database: str, query: str) -> list[str]:
    argv = ("runuser", "-u", "postgres", "--", "psql", "-d", database, "-Atc", query)
    return fleet.inside("data1", *argv).split()


def supervised(fleet: Fleet) -> dict[str, str]:
    """Return the process numbers of the programs that run, by the names that supervisor knows them by."""
    said = fleet.inside("web1", "supervisorctl", "status", check=False).splitlines()
    rows = [line.split() for line in said if " RUNNING " in line]
    return {row[0]: row[3].rstrip(",") for row in rows}


def without_colour(program: str) -> str:
    return re.sub("-(?:blue|green)$", "", program)


def pids(fleet: Fleet, program: str) -> str:
    """Return the process number of a program, whatever its colour; empty when it does not run."""
    found = supervised(fleet)
    return next((found[name] for name in found if without_colour(name) == program), "")


def server(fleet: Fleet, instance: str) -> str:
    """Return the name of the gunicorn of an instance, whose colour changes with each release."""
    return next(name for name in supervised(fleet) if without_colour(name) == f"cts-{instance}-server")


def running(fleet: Fleet, command: str) -> int:
    """Return how many processes have this in their command line."""
    return int(fleet.inside("web1", "pgrep", "-fc", "--", command, check=False))


def programs(fleet: Fleet) -> list[str]:
    """Return what is defined, without colours."""
    said = fleet.inside("web1", "ls", "/etc/supervisor/conf.d").split()
    return sorted({without_colour(name.removesuffix(".conf")) for name in said})


def reached(address: str, *ports: int) -> list[int]:
    """Return which ports this machine, which is no host of the environment, reaches."""

    def reaches(port: int) -> bool:
        try:
            socket.create_connection((address, port), 2).close()
        except OSError:
            return False
        return True

    with ThreadPoolExecutor() as together:
        return [port for port, there in zip(ports, together.map(reaches, ports), strict=True) if there]


class TestTheLayout:
    def test_the_layout_is_the_documents_with_owners_and_modes_that_make_sense(self, cts: Fleet) -> None:
        paths = ["log", "log/turkey", "public/static", "public/media", "ssl", "ssl/site.crt", "ssl/site.key"]
        said = cts.inside("web1", "stat", "-c", "%n %U %a", *(f"{ROOT}/{path}" for path in paths))
        assert [line.removeprefix(f"{ROOT}/") for line in said.splitlines()] == [
            "log root 751",
            "log/turkey root 750",
            "public/static cts 750",
            "public/media cts 750",
            "ssl root 750",
            "ssl/site.crt root 644",
            "ssl/site.key root 600",
        ]
        release = cts.inside("web1", "readlink", "-f", f"{ROOT}/current").strip()
        assert cts.inside("web1", "readlink", "-f", f"{ROOT}/source").strip() == f"{release}/source"
        assert cts.inside("web1", "readlink", "-f", f"{ROOT}/env/bin/../").strip().startswith(f"{ROOT}/envs/")

    def test_the_configuration_lies_where_the_document_says(self, cts: Fleet) -> None:
        cts.inside("web1", "test", "-f", "/etc/nginx/sites-enabled/cts.conf")
        assert programs(cts) == PROGRAMS
        assert "cts_turkey" in cts.inside("data1", "sh", "-c", "cat /etc/postgresql/*/main/pg_hba.conf")
        cts.inside("data1", "test", "-f", "/etc/rabbitmq/conf.d/20-hawser-cts.conf")
        for host, services in {"web1": ("nginx", "supervisor"), "data1": ("postgresql", "rabbitmq-server")}.items():
            assert cts.inside(host, "systemctl", "is-active", *services).split() == ["active", "active"]
            assert cts.inside(host, "systemctl", "is-enabled", *services).split() == ["enabled", "enabled"]

    def test_logs_of_nginx_and_gunicorn_are_kept_and_rotated(self, cts: Fleet) -> None:
        page(cts, "/TR/?before")
        for log, line in (("nginx-access.log", "?before"), ("turkey/gunicorn.log", "Listening at")):
            assert line in cts.inside("web1", "cat", f"{ROOT}/log/{log}")
        cts.inside("web1", "logrotate", "--force", "/etc/logrotate.d/cts")
        page(cts, "/TR/?after")
        # gunicorn says so when it is told to have one worker more.
        for signal in ("TTIN", "TTOU"):
            cts.inside("web1", "kill", f"-{signal}", pids(cts, "cts-turkey-server"))
        for log, old, new in (
            ("nginx-access.log", "?before", "?after"),
            ("turkey/gunicorn.log", "Listening at", "Handling signal: ttin"),
        ):
            assert old in cts.inside("web1", "cat", f"{ROOT}/log/{log}.1")
            wait_for(log, lambda log=log, new=new: new in cts.inside("web1", "cat", f"{ROOT}/log/{log}"), 10)
            assert old not in cts.inside("web1", "cat", f"{ROOT}/log/{log}")
        written = cts.inside("web1", "sh", "-c", "readlink /proc/$(cat /run/supervisord.pid)/fd/*").split()
        logs = ("gunicorn.log", "celery.log", "celery-beat.log")
        missing = {f"{ROOT}/log/{instance}/{log}" for instance in INSTANCES for log in logs} - set(written)
        assert not missing


class TestTheSite:
    def test_the_web_server_serves_static_files_itself_and_protected_ones_only_by_way_of_the_application(
        self, cts: Fleet
    ) -> None:
        assert page(cts, "/static/css/site.css").status == 200
        assert page(cts, "/robots.txt").body == "User-agent: *\n"
        assert page(cts, "/static/protected/report.txt").status == 401
        assert page(cts, "/protected/report.txt").status == 404
        assert page(cts, "/TR/protected/").body == "for officers only\n"

    def test_visitors_are_sent_to_https_and_from_the_start_to_the_list_of_instances(self, cts: Fleet) -> None:
        answer = page(cts, "/IQ/", scheme="http")
        assert (answer.status, answer.headers["Location"]) == (301, f"https://{DOMAIN}/IQ/")
        assert page(cts, "/").headers["Location"] == f"https://{DOMAIN}/TR/instances/"
        answer = page(cts, "/TR/instances/")
        assert answer.headers.get("Strict-Transport-Security") == "max-age=31536000"
        listed = answer.body
        assert [listed.count(f'href="/{code}/"') for code in CODES.values()] == [1, 1, 1]

    def test_the_site_gives_no_answer_under_another_name_but_to_a_load_balancer(self, cts: Fleet) -> None:
        for name in ("another.example.org", f"{DOMAIN}.example.org", f"www.{DOMAIN}", cts.address("web1")):
            with pytest.raises(OSError):
                cts.visit("web1", "/TR/health/", domain=name)

    def test_the_site_shows_a_page_of_its_own_while_an_application_is_down(self, cts: Fleet) -> None:
        program = server(cts, "jordan")
        cts.inside("web1", "supervisorctl", "stop", program)
        try:
            answer = page(cts, "/JO/")
        finally:
            cts.inside("web1", "supervisorctl", "start", program)
        assert (answer.status, answer.body) == (502, "<h1>CTS is away for a moment</h1>\n")
        wait_for("the application", lambda: page(cts, "/JO/health/").status == 200)

    def test_a_load_balancer_asks_the_site_for_its_health(self, cts: Fleet) -> None:
        connection = http.client.HTTPConnection(cts.address("web1"), 8088, timeout=10)
        connection.putrequest("GET", "/health/", skip_host=True)
        connection.endheaders()
        # A load balancer may name no host, which HTTP 1.1 has nginx refuse, or its address.
        assert connection.getresponse().status == 400
        connection.close()
        for version in (10, 11):
            connection = http.client.HTTPConnection(cts.address("web1"), 8088, timeout=10)
            connection._http_vsn, connection._http_vsn_str = version, f"HTTP/1.{version - 10}"  # type: ignore[attr-defined]
            connection.putrequest("GET", "/health/", skip_host=version == 10)
            connection.endheaders()
            assert connection.getresponse().status == 200
            connection.close()

    def test_the_site_believes_a_load_balancer_that_its_visitor_came_by_https(self, cts: Fleet) -> None:
        for said, told in (("https", "https"), ("anything", "http")):
            connection = http.client.HTTPConnection(cts.address("web1"), 8088, timeout=10)
            connection.request("GET", "/JO/", headers={"Host": DOMAIN, "X-Forwarded-Proto": said})
            assert json.loads(connection.getresponse().read())["secure"] == told
            connection.close()

    def test_a_stand_in_for_the_certificate_is_told_loudly(self, cts: Fleet, deployed: str) -> None:
        assert f"SELF-SIGNED certificate for {DOMAIN}" in deployed

    def test_the_site_has_the_right_certificate_once_it_is_there(self, cts: Fleet) -> None:
        certs = cts.hosts / "certs"
        certs.mkdir(exist_ok=True)
        made = cts.inside(
            "web1", "sh", "-c",
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=CTS "
            f"-addext subjectAltName=DNS:{DOMAIN} -keyout /dev/stdout -out /dev/stdout 2>/dev/null",
        )  # fmt: skip
        key, certificate = made.split("-----BEGIN CERTIFICATE-----")
        (certs / "cts.key").write_text(key)
        (certs / "cts.key").chmod(0o600)
        (certs / "cts.pem").write_text("-----BEGIN CERTIFICATE-----" + certificate)
        said = cts.fab("-H", "cts", "certs.install").stdout
        assert "SELF-SIGNED" not in said
        ask = f"openssl s_client -connect 127.0.0.1:443 -servername {DOMAIN} </dev/null 2>/dev/null"
        served = ("sh", "-c", f"{ask} | openssl x509 -noout -subject")
        # A reload leaves connections to nginx's old workers for a moment.
        wait_for("the new certificate", lambda: "CTS" in cts.inside("web1", *served), 20)


class TestInstances:
    @pytest.mark.parametrize("instance", INSTANCES)
    def test_each_instance_has_its_own_settings_database_and_prefix(self, cts: Fleet, instance: str) -> None:
        code, currency, *ports = INSTANCES[instance]
        said = home(cts, code)
        assert (said["instance"], said["currency"], said["database"]) == (instance, currency, f"cts_{instance}")
        assert said["environment"] == "production"
        assert said["groups"] == ["Coordinators", "Managers", "Officers", "Partners"]
        listening = cts.inside("web1", "ss", "-ltnH", " or ".join(f"sport = :{port}" for port in ports)).splitlines()
        assert [line.split()[3] in [f"127.0.0.1:{port}" for port in ports] for line in listening] == [True]

    def test_each_instance_has_one_beat_whose_tasks_its_own_worker_takes_from_its_own_queue(self, cts: Fleet) -> None:
        before = {code: home(cts, code)["scans"] for code in CODES.values()}
        for instance, code in CODES.items():
            assert running(cts, f"celery -A cts beat --schedule={ROOT}/beat/{instance}.db") == 1
            wait_for(f"a scan of {instance}", lambda code=code: home(cts, code)["scans"] != before[code])
            said = home(cts, code)
            assert (said["scanned_by"], said["form"]) == (instance, FORMS[instance])
            # memcached is one for all, and what an instance keeps there is its own.
            wait_for("what it keeps", lambda code=code, key=f"{instance}-": home(cts, code)["cached"].startswith(key))

    def test_each_instance_has_as_many_workers_as_its_host_and_its_command_say(self, cts: Fleet) -> None:
        for instance, (_code, _currency, port, spare) in INSTANCES.items():
            gunicorn, celery = f"--bind=127.0.0.1:({port}|{spare})", f"celery -A cts worker -n celery-{instance}@"
            # With the one that leads them; gunicorn may just have been told to have another number.
            wait_for(f"2 workers of {instance}", lambda gunicorn=gunicorn: running(cts, gunicorn) == 3, 10)
            wait_for(f"2 celery workers of {instance}", lambda celery=celery: running(cts, celery) == 3, 10)

    def test_each_instance_has_its_own_user_vhost_and_queue_in_the_broker(self, cts: Fleet) -> None:
        table = next(event for event in cts.events("-H", "cts", "queue.list") if event["t"] == "table")
        rows = table.get("rows", [])
        assert isinstance(rows, list)
        queues = {row[1]: (row[2], row[5]) for row in rows if row[2].startswith("queue_")}
        assert queues == {f"cts_{instance}": (f"queue_{instance}", "1") for instance in INSTANCES}
        granted = cts.inside("data1", "rabbitmqctl", "-q", "list_user_permissions", "cts_iraq").splitlines()
        assert [line.split()[0] for line in granted[1:]] == ["cts_iraq"]

    @pytest.mark.parametrize("instance", INSTANCES)
    def test_each_database_has_its_extensions_and_was_migrated_once(self, cts: Fleet, instance: str) -> None:
        extensions = sql(cts, f"cts_{instance}", "select extname from pg_extension")
        assert sorted({"hstore", "postgis"} - set(extensions)) == []
        rows = sql(cts, f"cts_{instance}", "select count(*) from django_migrations where app = 'ona'")
        assert rows == ["1"]
        owner = "select pg_get_userbyid(datdba) from pg_database where datname = current_database()"
        assert sql(cts, f"cts_{instance}", owner) == [f"cts_{instance}"]


class TestProcesses:
    def test_celery_runs_as_the_applications_user_and_is_refused_to_root(self, cts: Fleet) -> None:
        users = cts.inside("web1", "sh", "-c", "ps -o user= -p $(pgrep -d, -f '[c]elery -A cts worker')").split()
        assert set(users) == {"cts"}
        text = cts.file.read_text()
        command = 'command = "celery -A cts worker'
        cts.file.write_text(text.replace(command, f'user = "root"\n{command}'))
        said = cts.fab("-H", "cts", "deploy", code=2).stderr
        cts.file.write_text(text)
        assert 'processes."celery-{{ instance.name }}".user: must not be root' in said

    def test_nothing_has_drifted_after_a_deploy(self, cts: Fleet) -> None:
        assert cts.drifted() == []

    def test_no_process_restarts_where_nothing_has_changed(self, cts: Fleet) -> None:
        before = [pids(cts, program) for program in PROGRAMS]
        assert [program for program, pid in zip(PROGRAMS, before, strict=True) if not pid] == []
        events = cts.events("-H", "cts", "bootstrap", "deploy")
        assert [event["label"] for event in events if event["t"] == "event" and event["status"] == "changed"] == []
        assert [pids(cts, program) for program in PROGRAMS] == before

    def test_a_stopped_process_leaves_none_of_its_children(self, cts: Fleet) -> None:
        node = "celery -A cts worker -n celery-jordan@"
        wait_for("its children", lambda: running(cts, node) > 1, 20)
        cts.fab("-H", "web1", "stop", "--process", "celery-jordan")
        assert cts.inside("web1", "pgrep", "-f", node, check=False) == ""
        cts.fab("-H", "web1", "start", "--process", "celery-jordan")
        wait_for("its children", lambda: running(cts, node) > 1, 20)
        # What is under way has a minute to come to its end.
        patient = cts.inside("web1", "sh", "-c", "grep -l '^stopwaitsecs=60$' /etc/supervisor/conf.d/cts-*").split()
        assert sorted({without_colour(Path(path).stem) for path in patient}) == [
            program for program in PROGRAMS if "beat" not in program
        ]

    def test_cron_restarts_each_worker_every_night_under_its_manager(self, cts: Fleet) -> None:
        lines = cts.inside("web1", "grep", "supervisorctl restart", "/etc/cron.d/cts").splitlines()
        assert [line.split()[-1].strip("'") for line in lines] == [f"cts-celery-{instance}" for instance in INSTANCES]
        assert {" ".join(line.split()[:6]) for line in lines} == {"30 23 * * * root"}
        before = {instance: pids(cts, f"cts-celery-{instance}") for instance in INSTANCES}
        command = lines[1].split(None, 6)[6].replace("\\%", "%")
        # While somebody changes the application, it stays as it is.
        lock = "/var/lib/hawser/cts/lock"
        cts.inside("web1", "flock", lock, "sh", "-c", command, check=False)
        assert pids(cts, "cts-celery-iraq") == before["iraq"]
        cts.inside("web1", "sh", "-c", command)
        after = {instance: pids(cts, f"cts-celery-{instance}") for instance in INSTANCES}
        assert {instance for instance in INSTANCES if after[instance] != before[instance]} == {"iraq"}
        assert all(after.values())


class TestVisitors:
    @pytest.mark.slow
    def test_visitors_notice_neither_a_broken_commit_nor_a_good_one_nor_a_restart(self, cts: Fleet) -> None:
        path = "cts/views.py"
        good = (cts.repository / path).read_text()
        # It can be imported, and works for two of three instances: the last one fails when the others have started.
        answer = "    return HttpResponse(status=500 if settings.INSTANCE == 'jordan' else 200)"
        broken = good.replace("    return HttpResponse()", answer, 1)
        pages = {f"/{code}/": partial(page, cts, f"/{code}/") for code in CODES.values()}
        pages["a load balancer"] = partial(asked_by_a_load_balancer, cts)
        before = {instance: server(cts, instance) for instance in INSTANCES}
        with visitors(cts, pages, pause=0.2):
            cts.commit({path: broken})
            said = cts.fab("-H", "cts", "deploy", code=1)
            assert {instance: server(cts, instance) for instance in INSTANCES} == before
            cts.commit({path: good})
            cts.fab("-H", "cts", "deploy")
            after = {instance: server(cts, instance) for instance in INSTANCES}
            cts.fab("-H", "cts", "restart", "--process", "turkey-server")
        assert "jordan-server" in said.stdout + said.stderr
        assert not [instance for instance in INSTANCES if after[instance] == before[instance]]
        assert server(cts, "turkey") == before["turkey"]


def asked_by_a_load_balancer(fleet: Fleet) -> Answer:
    connection = http.client.HTTPConnection(fleet.address("web1"), 8088, timeout=30)
    try:
        connection.request("GET", "/health/")
        answer = connection.getresponse()
        return Answer(answer.status, answer.read().decode(), dict(answer.headers))
    finally:
        connection.close()


class TestTheNetwork:
    def test_only_hosts_of_the_environment_reach_its_services(self, cts: Fleet) -> None:
        address = cts.address("data1")
        # The last one, at which brokers meet, is named by no rule.
        assert reached(address, 5432, 5672, 11211, 25672) == []
        for port in (5432, 5672, 11211):
            cts.inside("web1", "timeout", "5", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}")

    def test_everybody_reaches_the_site_from_outside(self, cts: Fleet) -> None:
        assert reached(cts.address("web1"), 80, 443, 8088, 8001, 8011) == [80, 443, 8088]


class TestTasks:
    def test_management_commands_ask_which_instance_is_meant(self, cts: Fleet) -> None:
        said = cts.fab("-H", "cts", "manage", "check", code=2).stderr
        assert "which instance? turkey, iraq, jordan" in said and "--instance turkey" in said
        query = "from django.conf import settings; print(settings.INSTANCE_NAME)"
        said = cts.fab("-H", "cts", "manage", "--instance", "iraq", f'shell -v 0 -c "{query}"').stdout
        assert "Iraq" in said

    def test_the_environment_of_an_instance_is_shown_with_its_secrets_masked(self, cts: Fleet) -> None:
        said = cts.fab("-H", "web1", "printenv", "--instance", "jordan").stdout
        assert "DJANGO_SETTINGS_MODULE=cts.settings.jordan" in said
        assert "ONA_DEVICEID_VERIFICATION_FORM_ID_JO=5" in said
        for name in ("DB_PASSWORD", "SECRET_KEY"):
            assert f"{name}=" in said and cts.secrets[name] not in said
        said = cts.fab("-H", "web1", "printenv", "--process", "celery-turkey").stdout
        assert "DJANGO_SETTINGS_MODULE=cts.settings.turkey" in said

    def test_a_queue_is_purged_after_its_name_was_typed(self, cts: Fleet) -> None:
        send = "from ona.tasks import process_new_scans as task; task.apply_async(queue='idle')"
        argv = (f"{ROOT}/current/run", "@instance.turkey", "python", "manage.py", "shell", "-c", send)
        cts.inside("web1", "runuser", "-u", "cts", "--", "sh", "-c", f'cd {ROOT}/source && exec "$@"', "sh", *argv)
        waiting = "rabbitmqctl -q list_queues -p cts_turkey messages name | grep idle | cut -f1"
        assert cts.inside("data1", "sh", "-c", waiting).strip() == "1"
        refused = cts.fab("-H", "cts", "queue.purge", "idle", code=1)
        assert "--yes" in refused.stderr
        assert cts.inside("data1", "sh", "-c", waiting).strip() == "1"
        cts.fab("-H", "cts", "queue.purge", "idle", "--yes")
        assert cts.inside("data1", "sh", "-c", waiting).strip() == "0"

    def test_a_shell_is_in_the_settings_of_an_instance(self, cts: Fleet) -> None:
        person = Person(cts.command("-H", "web1", "shell", "--instance", "jordan"), PROJECT, cts.environ())
        person.sees("cts@")
        person.types("echo It is $DJANGO_SETTINGS_MODULE of $(id -un)\n")
        person.sees("It is cts.settings.jordan of cts")
        person.types("exit\n")
        assert person.ends() == 0

    def test_a_file_is_put_onto_a_host(self, cts: Fleet, tmp_path: Path) -> None:
        (tmp_path / "notice.txt").write_text("closed on Friday")
        cts.fab("-H", "web1", "put", str(tmp_path / "notice.txt"), f"{ROOT}/public/media/", "--owner", "cts")
        assert page(cts, "/media/notice.txt").body == "closed on Friday"


@pytest.mark.slow
def test_everything_comes_back_by_itself_after_a_reboot(cts: Fleet) -> None:
    sandbox.reboot("cts-web1")
    wait_for("the site", lambda: all(page_or_none(cts, f"/{code}/health/") == 200 for code in CODES.values()))
    wait_for("all programs", lambda: all(pids(cts, program) for program in PROGRAMS))
    assert cts.drifted() == []


def page_or_none(fleet: Fleet, path: str) -> int | None:
    """Return the status of a page, None while nobody answers."""
    try:
        return page(fleet, path).status
    except OSError:
        return None


class TestTheNextRelease:
    def test_a_next_release_still_has_uploads_and_its_own_static_files(self, without_jordan: Fleet) -> None:
        assert page(without_jordan, "/media/photo.jpg").body == "photo\n"
        assert page(without_jordan, "/IQ/media/photo.jpg").body == "photo\n"
        assert "green" in page(without_jordan, "/static/css/site.css").body

    def test_a_next_release_takes_away_all_of_an_instance_that_is_gone(self, without_jordan: Fleet) -> None:
        assert not [program for program in programs(without_jordan) if "jordan" in program]
        assert without_jordan.inside("web1", "pgrep", "-f", "jordan", check=False) == ""
        assert "jordan" not in without_jordan.inside("web1", "cat", "/etc/cron.d/cts")
        assert page(without_jordan, "/JO/").status == 404
        assert home(without_jordan, "TR")["instance"] == "turkey"
