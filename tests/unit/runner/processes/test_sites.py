"""A site proves that it is the one which its names lead to."""

from __future__ import annotations

import http.server
import threading

import pytest

from hawser.runner.processes import sites
from hawser.runner.processes.sites import PATH, Served, state
from hawser.runner.system import Failure

from ..conftest import validated, whole

MARK = "0123456789abcdef"


@pytest.fixture
def behind():
    """A web server that leads some names to a mark; the marks by name, and its port."""
    marks = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", f"http://x{PATH}/{marks.get(self.headers['Host'], '')}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield marks, server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(system, behind, tmp_path, monkeypatch):
    """Questions about a site with two names, whose web server prints what a test says."""
    page, listing = tmp_path / "shop.conf", tmp_path / "listing"
    page.write_text(f"return 302 {PATH}/{MARK};")
    listing.write_text(f"# configuration file {page}:\n")
    traits = sites.TRAITS["nginx"]
    monkeypatch.setattr(traits, "listing", ("cat", str(listing)))
    monkeypatch.setattr(traits, "judge", ("true",))
    monkeypatch.setattr(sites, "GLANCE", 0.1)
    monkeypatch.setattr(sites, "RELOADING", 0.3)
    spec = {"server": "nginx", "page": str(page), "names": ["shop.test", "*.shop.test"], "doors": [[behind[1], False]]}
    return spec, page, listing


def rival(port):
    return f"# configuration file /etc/nginx/sites-enabled/old:\nserver {{ listen {port}; server_name shop.test; }}\n"


def test_a_site_that_has_all_its_names_is_served(system, behind, site):
    behind[0].update({"shop.test": MARK, "hawser-site.shop.test": MARK})
    assert Served(whole("served", site[0]), system).check() is None
    assert validated(state(system, **site[0]), "sites.state") == {"astray": "", "remarks": []}


def test_a_name_that_leads_to_another_site_fails_with_the_file_that_has_it(system, behind, site):
    site[2].write_text(site[2].read_text() + rival(behind[1]))
    resource = Served(whole("served", site[0]), system)
    with pytest.raises(Failure, match="another site: /etc/nginx/sites-enabled/old has this name as well"):
        resource.apply(resource.check())
    assert "sites-enabled/old" in validated(state(system, **site[0]), "sites.state")["astray"]


def test_what_serves_already_is_told_as_a_warning_when_its_name_leads_elsewhere(system, site):
    resource = Served(whole("served", {**site[0], "serves": True}), system)
    resource.apply(resource.check())
    assert "does not lead to this site" in system.take_warnings()[0]


def test_the_former_configuration_of_the_same_site_is_waited_for_until_the_new_one_is_taken_up(system, behind, site):
    behind[0].update({"shop.test": "f" * 16, "hawser-site.shop.test": MARK})
    resource = Served(whole("served", site[0]), system)
    change = resource.check()
    threading.Timer(0.2, lambda: behind[0].update({"shop.test": MARK})).start()
    resource.apply(change)
    assert resource.check() is None


def test_a_site_whose_file_the_web_server_does_not_read_is_told_so(system, site):
    site[2].write_text("# configuration file /etc/nginx/nginx.conf:\n")
    assert state(system, **site[0])["astray"].endswith(f"nginx does not read {site[1]}")


def test_a_port_that_another_program_has_is_told_with_its_name(system, site):
    assert "has the port, not nginx" in state(system, **site[0])["astray"]


def test_another_file_with_a_name_of_a_site_that_is_served_is_a_remark(system, behind, site):
    behind[0].update({"shop.test": MARK, "hawser-site.shop.test": MARK})
    site[2].write_text(site[2].read_text() + rival(behind[1]) + rival(1).replace("old", "elsewhere"))
    resource = Served(whole("served", site[0]), system)
    assert resource.check() is None
    assert system.take_warnings() == ["/etc/nginx/sites-enabled/old claims a name of this site as well"]


def test_a_configuration_of_a_former_version_proves_nothing_and_is_left_alone(system, site):
    site[1].write_text("server {}")
    assert Served(whole("served", site[0]), system).check() is None
    assert state(system, **site[0]) == {"astray": "", "remarks": []}
