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
from hawser.tasks.webservers import WEB_SERVERS, caddy, nginx
from hawser.tasks.webservers.site import parts
from hawser.templates.rendering import TemplateError, Templates

COMMAND = "gunicorn shop.wsgi --bind 127.0.0.1:{{ port }}"

NEW = "1111111111-aaaaaaaa"


@pytest.fixture
def host(tmp_path):
    """Return a host whose process has two ports by turns."""

    def host(live="", serves="2222222222-bbbbbbbb", facts=None, **site):
        environment = Environment.model_validate(
            {
                "name": "shop",
                "path": tmp_path / "shop.toml",
                "app": {"name": "my-shop", "repo": "."},
                "vars": {"port": 8011},
                "processes": {"web": {"command": COMMAND, "port": 8001, "spare_port": 8011}},
                "persistent": {
                    "folders": ["media", "assets", "public/kept"],
                    "collected": ["assets"],
                    "linked": ["public/kept"],
                },
                "site": {"domains": ["shop.test"], "tls": "none", **site},
                "hosts": {"web1": {}},
            }
        )
        templates, addresses = Templates(), {"web1": "10.0.0.1"}
        release = Release(NEW, "1" * 40, environment, templates)
        unit = f"my-shop-web-{live}"
        said = {"release": serves, "inputs": "", "live": True}
        row = {"process": "web", "unit": unit, "manager": "systemd", **said}
        facts = Facts(live={"web": live}, processes=(row,)) if live else Facts(**(facts or {}))
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
    ports = {"80"} if tls == "none" else {"80", "443 ssl http2"}
    assert set(re.findall(r"listen ([^;\[\]:]+) default_server;", open_to_all.content)) == ports


def page_of(host):
    """Return the configuration of a host's site, whatever its web server is."""
    server = WEB_SERVERS[host.environment.site.server]
    return [each for each in server.install.resources(host) if isinstance(each, File)][-1].content


def said(page, words):
    """Return the lines that begin with one of some words, without their indentation."""
    return [line.strip() for line in page.splitlines() if line.strip().startswith(words)]


DEBIAN_12, DEBIAN_13 = ({"os": {"id": "debian", "version": each}} for each in ("12", "13"))
UBUNTU_24, UBUNTU_25 = ({"os": {"id": "ubuntu", "version": each}} for each in ("24.04", "25.04"))


@pytest.mark.parametrize(
    ("facts", "own_line"),
    [
        ({}, False),
        ({"nginx": "1.22.1"}, False),
        ({"nginx": "1.25.0"}, False),
        ({"nginx": "1.25.1"}, True),
        ({"nginx": "1.26.3"}, True),
        # Somebody's own package counts, and not the system's.
        ({"nginx": "1.28.0", **DEBIAN_12}, True),
        ({"nginx": "1.22.1", **DEBIAN_13}, False),
        (DEBIAN_12, False),
        (DEBIAN_13, True),
        (UBUNTU_24, False),
        (UBUNTU_25, True),
    ],
)
def test_http2_is_switched_on_where_this_nginx_wants_it(host, facts, own_line):
    page = page_of(host(facts=facts, tls="self-signed", tls_proxy={"7778": "127.0.0.1:7770"}))
    form = "listen 443 ssl;" if own_line else "listen 443 ssl http2;"
    assert said(page, ("listen 443", "http2")) == [form, form, *(["http2 on;"] if own_line else [])]
    assert "listen 7778 ssl;" in page
    assert "http2" not in page_of(host(facts=facts, tls="self-signed", http2=False))
    assert "http2" not in page_of(host(facts=facts))


def test_a_line_of_extra_that_switches_http2_on_is_not_said_twice(host):
    page = page_of(host(facts=DEBIAN_13, tls="self-signed", extra="http2 on;"))
    assert page.count("http2 on;") == 1


GZIP = ("gzip on;", "gzip off;", "gzip_static")
STATIC = {"/static/": "static", "/media/": "media", "/assets/": "assets"}


@pytest.mark.parametrize(
    ("site", "lines"),
    [
        ({}, ["gzip on;", "gzip_static on;", "gzip_static on;"]),
        # Whatever is not a static file is left alone, in blocks of `extra` too.
        ({"compression": "static"}, ["gzip off;", *["gzip on;", "gzip_static on;"] * 2, *["gzip on;"] * 3]),
        ({"compression": "none"}, ["gzip off;"]),
        ({"extra": "gzip off;"}, ["gzip off;"]),
        ({"extra": "include snippets/mine.conf;"}, []),
        ({"extra": "include x;", "compression": "all"}, ["gzip on;", "gzip_static on;", "gzip_static on;"]),
        (
            {"extra": "location /x { gzip off; }  # gzip off;"},
            ["gzip on;", "gzip_static on;", "gzip_static on;"],
        ),
    ],
)
def test_nginx_compresses_what_the_settings_say_and_leaves_lines_of_extra_alone(host, site, lines):
    assert said(page_of(host(static=STATIC, **site)), GZIP) == lines


def test_what_lies_compressed_beside_a_file_is_sent_only_where_a_release_has_made_both(host):
    for server, line in (("nginx", "gzip_static on;"), ("caddy", "precompressed gzip")):
        assert page_of(host(server=server, static={"/static/": "static"})).count(line) == 2
        assert line not in page_of(host(server=server, static={"/media/": "media", "/assets/": "assets"}))
        # A link leads to files that the application writes.
        for folder in ("public", ".", "./public/"):
            assert line not in page_of(host(server=server, static={"/": folder}))


KEPT_FOLDERS = r"\(\?=(.*?)\)\."


def test_nginx_has_hashed_files_kept_that_a_release_has_made_and_no_others(host):
    (folders,) = set(re.findall(KEPT_FOLDERS, page_of(host(static=STATIC))))
    assert folders.replace("\\", "").split("|") == [
        f"/srv/my-shop/{which}/{folder}/"
        for folder in ("source/static", "collected/assets")
        for which in ("current", "previous")
    ]
    for site in ({"static": {"/media/": "media", "/": "public"}}, {"static": STATIC, "immutable": False}):
        assert "Cache-Control $" not in page_of(host(**site))


@pytest.mark.parametrize(
    ("extra", "places"),
    [
        ("", ["add_header Cache-Control $my_shop_kept;"]),
        # Headers of a block replace those of all blocks: there it has to stand once more.
        ("add_header X-Frame-Options DENY;", ["add_header Cache-Control $my_shop_kept;"] * 2),
        ("location /x { add_header X-Frame-Options DENY; }", ["add_header Cache-Control $my_shop_kept;"]),
        ("expires 1h;", []),
        ("add_header Cache-Control no-cache;", ["add_header Cache-Control no-cache;"]),
        ("include snippets/mine.conf;", []),
    ],
)
def test_headers_of_nginx_stand_beside_those_of_other_files_and_of_extra(host, extra, places):
    page = page_of(host(static=STATIC, extra=extra))
    assert [line for line in said(page, "add_header Cache-Control") if "no-store" not in line] == places


@pytest.mark.parametrize(
    ("server", "extra"),
    [
        ("nginx", "auth_basic staging; auth_basic_user_file /etc/nginx/passwords;"),
        ("apache", "<Location />\nRequire valid-user\n</Location>"),
        ("caddy", "basicauth {\n\tann JDJh\n}"),
    ],
)
def test_files_of_a_site_that_asks_visitors_who_they_are_are_kept_by_browsers_alone(host, server, extra):
    for lines, kept in (("", "public, max-age=31536000, immutable"), (extra, "max-age=31536000, immutable")):
        page = page_of(host(server=server, static=STATIC, extra=lines))
        assert kept in page and ("public" in page) == kept.startswith("public")


def test_hsts_is_said_over_tls_alone_and_the_application_goes_first(host):
    files = {"tls": "files", "certificate": "c", "key": "k", "hsts": {"days": 7, "subdomains": True}}
    header = "max-age=604800; includeSubDomains"
    page = page_of(host(**files))
    assert f'"~^on shop\\.test $" "{header}";' in page
    assert '"$https $server_name $upstream_http_strict_transport_security" $my_shop_hsts' in page
    # For all servers, and with the page of maintenance, which has headers of its own.
    assert len(said(page, "add_header Strict-Transport-Security $my_shop_hsts always;")) == 2
    assert len(said(page_of(host(**files, extra="add_header A b;")), "add_header Strict")) == 3
    assert "Strict" not in page_of(host(tls="self-signed"))
    apache = said(page_of(host(server="apache", **files)), "Header always set Strict")
    condition = "expr=-z %{resp:Strict-Transport-Security} && %{HTTPS} == 'on'"
    assert apache == [f'Header always set Strict-Transport-Security "{header}" "{condition}"']
    assert said(page_of(host(server="caddy", **files)), "header ?Strict") == [
        f"header ?Strict-Transport-Security `{header}`"
    ]


@pytest.mark.parametrize(
    ("site", "lines"),
    [
        ({}, []),
        ({"compression": "none"}, ["SetEnv no-gzip 1"]),
        (
            {"compression": "static", "proxy": {"/": "web", "/static/api/": "web"}},
            [
                "SetEnvIf Request_URI ^ no-gzip",
                'SetEnvIf Request_URI "^/" no-gzip',
                'SetEnvIf Request_URI "^/static/" !no-gzip',
                'SetEnvIf Request_URI "^/static/api/" no-gzip',
            ],
        ),
    ],
)
def test_apache_compresses_what_the_settings_say(host, site, lines):
    page = page_of(host(server="apache", static={"/static/": "static"}, **site))
    assert [line for line in said(page, ("SetEnv",)) if "no-gzip" in line] == lines
    assert ("DEFLATE" in page) == (site.get("compression") != "none")


def test_apache_speaks_http2_over_tls_alone(host):
    page = page_of(host(server="apache", tls="self-signed", extra_ports=[8088]))
    assert said(page, "Protocols") == ["Protocols http/1.1", "Protocols h2 http/1.1"] * 2 + ["Protocols http/1.1"]
    plain = page_of(host(server="apache", tls="self-signed", http2=False))
    assert set(said(plain, "Protocols")) == {"Protocols http/1.1"}


def test_caddy_compresses_what_the_settings_say(host):
    def places(**site):
        page = page_of(host(server="caddy", static={"/static/": "static"}, **site))
        return [
            len(line) - len(line.lstrip("\t")) for line in page.splitlines() if line.strip().startswith("encode zstd")
        ]

    assert places() == [2] and places(compression="static") == [3]
    assert places(compression="none") == [] and places(extra="encode gzip") == []


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
