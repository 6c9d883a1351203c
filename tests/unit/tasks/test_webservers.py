"""What any web server needs of a site."""

from __future__ import annotations

import re
import subprocess

import pytest

from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.release import Release
from hawser.inventory import Environment
from hawser.resources import Absent, File
from hawser.secrets import Secrets, in_file
from hawser.tasks import processes
from hawser.tasks.webservers import caddy, nginx
from hawser.tasks.webservers.site import parts
from hawser.templates.rendering import TemplateError, Templates

COMMAND = "gunicorn shop.wsgi --bind 127.0.0.1:{{ port }}"

NEW = "1111111111-aaaaaaaa"


@pytest.fixture
def host(tmp_path):
    """Return a host whose process has two ports by turns."""

    def host(live="", serves="2222222222-bbbbbbbb", **site):
        environment = Environment.model_validate(
            {
                "name": "shop",
                "path": tmp_path / "shop.toml",
                "app": {"name": "my-shop", "repo": "."},
                "vars": {"port": 8011},
                "processes": {"web": {"command": COMMAND, "port": 8001, "spare_port": 8011}},
                "site": {"domains": ["shop.test"], "tls": "none", **site},
                "hosts": {"web1": {}},
            }
        )
        templates, addresses = Templates(), {"web1": "10.0.0.1"}
        release = Release(NEW, "1" * 40, environment, templates)
        unit = f"my-shop-web-{live}"
        said = {"release": serves, "inputs": "", "live": True}
        row = {"process": "web", "unit": unit, "manager": "systemd", **said}
        facts = Facts(live={"web": live}, processes=(row,)) if live else Facts()
        return Host("web1", environment, Secrets("shop", in_file(tmp_path), {}), templates, addresses, facts, release)

    return host


@pytest.mark.parametrize(("live", "port"), [("", 8001), ("blue", 8011), ("green", 8001)])
def test_requests_go_to_the_port_of_the_colour_that_is_to_serve(host, live, port):
    (upstream,) = parts(host(live))["upstreams"]
    assert (upstream["name"], upstream["servers"]) == ("my-shop_web", [f"127.0.0.1:{port}"])


@pytest.mark.parametrize("port", ["8001", "{{ vars.port }}"])
def test_a_part_of_the_site_that_names_one_of_two_ports_is_refused_with_what_to_write(host, port):
    with pytest.raises(TemplateError) as caught:
        parts(host(extra=f"location /x {{ proxy_pass http://127.0.0.1:{port}; }}"))
    problem = caught.value.problem
    assert (problem.key, problem.message.split(",")[0]) == (
        "site.extra",
        f"names the port {port.replace('{{ vars.port }}', '8011')}",
    )
    assert "http://my-shop_web" in problem.hint
    assert "http://my-shop_web" in parts(host(extra="location /x { proxy_pass http://my-shop_web; }"))["extra"]


def test_a_restart_proves_the_other_port_moves_the_requests_and_then_stops_the_former_one(host):
    kinds = [each for each in processes.restarted.resources(host("blue", NEW)) if not isinstance(each, Absent)]
    names = [type(each).__name__ for each in kinds]
    site = ["HttpBlock", "File", "Reloaded", "Served"]
    assert names == ["Vacated", "File", "Running", "Healthy", *site, "Link", "Drained", "Retired"]
    assert "server 127.0.0.1:8011 max_fails=0;\n    server 127.0.0.1:8001 max_fails=0 backup;" in kinds[5].content
    assert (kinds[3].address, kinds[9].addresses) == ("127.0.0.1:8011", ("127.0.0.1:8001",))
    assert kinds[10].unit == "my-shop-web-blue"


def test_after_a_restart_that_failed_requests_go_to_the_process_that_went_on(host):
    kept = [each for each in processes.cleaned_up.resources(host("blue", NEW)) if not isinstance(each, Absent)]
    assert [type(each).__name__ for each in kept] == ["HttpBlock", "File", "Reloaded", "Served", "Retired"]
    assert (
        "server 127.0.0.1:8001 max_fails=0;\n    server 127.0.0.1:8011 max_fails=0 backup;" in kept[1].content
        and kept[4].unit == "my-shop-web-green"
    )


@pytest.mark.parametrize("tls", ["none", "self-signed"])
def test_nginx_serves_names_that_no_site_claims_where_that_is_wanted(host, tls):
    (closed,) = (each for each in nginx.install.resources(host(tls=tls)) if isinstance(each, File))
    (open_to_all,) = (
        each for each in nginx.install.resources(host(tls=tls, other_names=True)) if isinstance(each, File)
    )
    assert "return 444" in closed.content and "default_server" not in closed.content
    assert "444" not in open_to_all.content
    ports = {"80"} if tls == "none" else {"80", "443 ssl"}
    assert set(re.findall(r"listen ([\d ssl]+) default_server;", open_to_all.content)) == ports


@pytest.mark.parametrize(
    ("sites", "refused"),
    [
        ([], []),
        (
            ["http://a.test:80 {\n\tredir https://a.test:8443/ 301\n}\nhttps://a.test:443, https://b.test:443 {\n}\n"],
            [80, 443],
        ),
        (["http://a.test:80 {\n}\n", "http://b.test:80 {\n}\n", "http://b.test:8080 {\n}\n"], [80, 8080]),
        # A load balancer's port takes any name, and so does a site that somebody has made.
        (["http://a.test:80 {\n}\n# Whatever name.\nhttp://:8090 {\n}\n"], [80]),
        (["http://a.test:80 {\n}\n", ":80 {\n}\n"], []),
        (["http://a.test:80 {\n}\n", "http:// {\n}\n"], []),
        (["http://a.test:8080 {\n}\n", "http://b.test:80, http://:80 {\n}\n"], [8080]),
        (["example.org {\n\trespond x\n}\n"], []),
    ],
)
def test_caddy_refuses_names_that_no_site_claims_on_each_port_of_all_sites(tmp_path, sites, refused):
    folder = tmp_path / "sites-enabled"
    folder.mkdir()
    for number, text in enumerate(sites):
        (folder / f"{number}.conf").write_text(text)
    script = caddy.UNCLAIMED.replace("cd /etc/caddy", f"cd {tmp_path}")
    for _again in range(2):
        subprocess.run(["sh", "-c", script], check=True)
    written = tmp_path / "unclaimed.conf"
    text = written.read_text() if written.exists() else ""
    assert [int(port) for port in re.findall(r"^https?://:(\d+)/\* \{\n\tabort\n\}$", text, re.M)] == refused
    assert text.count("{") == len(refused) and written.exists() == bool(refused)
    assert {each.name for each in tmp_path.iterdir()} <= {"sites-enabled", "unclaimed.conf"}
