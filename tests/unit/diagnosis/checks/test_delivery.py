"""What visitors get is judged by what the settings say."""

from __future__ import annotations

import pytest

from hawser.diagnosis.checks.delivery import visitors
from hawser.runner.main import ASKABLE

from .conftest import Runner, told

KEPT = "public, max-age=31536000, immutable"
GOOD = {
    "why": "",
    "protocol": "h2",
    "text": "/static/a.css",
    "encoding": "gzip",
    "hashed": "/static/a.0123456789ab.css",
    "cache": [KEPT],
    "hsts": [[], []],
}
HSTS = "max-age=604800"


@pytest.fixture
def judged(host):
    """Judge an answer, which a test changes, for a site with some settings; what is found, and the runner."""

    def judged(answer=None, facts=None, **site):
        settings = {"domains": ["shop.example.org"], "proxy": {"/": "web"}, "static": {"/static/": "static"}, **site}
        if "hsts" in site:
            settings |= {"tls": "files", "certificate": "c", "key": "k"}
        runner = Runner(delivery__measured={**GOOD, **(answer or {})})
        return list(visitors(host(facts=facts, site=settings), runner)), runner

    return judged


def test_a_site_that_sends_what_the_settings_say_is_fine(judged):
    found, runner = judged()
    assert found == []
    assert runner.asked["delivery.measured"] == {
        "name": "shop.example.org",
        "port": 443,
        "tls": True,
        "folders": [["/static/", "/srv/shop/current/source/static"]],
    }
    assert runner.asked.keys() <= ASKABLE.keys()


def test_files_of_a_closed_site_and_of_users_are_not_asked_for(judged, host):
    assert judged(facts={"closed": True})[1].asked["delivery.measured"]["folders"] == []
    runner = Runner(delivery__measured=GOOD)
    site = {"domains": ["a.test"], "proxy": {"/": "web"}, "static": {"/media/": "media"}}
    list(visitors(host(site=site, persistent={"folders": ["media"]}), runner))
    assert runner.asked["delivery.measured"]["folders"] == []


def test_folders_and_lines_that_the_release_names_are_known(judged):
    static = {"/docs/": "{{ release.path }}/docs", "/static/": "static"}
    found, runner = judged({"encoding": ""}, static=static, extra="# {{ release.code }}\ngzip off;")
    assert found == []
    assert runner.asked["delivery.measured"]["folders"][0] == ["/docs/", "/srv/shop/current/docs"]


def test_a_host_that_serves_nothing_yet_is_not_measured(judged):
    assert judged(facts={"current": ""})[1].asked == {}


def test_that_nobody_answers_is_left_to_another_check(judged):
    assert judged({"why": "ConnectionRefusedError", "protocol": "", "hsts": []}, hsts={"days": 7})[0] == []


@pytest.mark.parametrize(
    ("site", "answer", "message"),
    [
        ({}, {"protocol": "http/1.1"}, "warning: shop.example.org on port 443 speaks no HTTP/2"),
        ({"server": "apache"}, {"protocol": ""}, "warning: shop.example.org on port 443 speaks no HTTP/2"),
        ({"http2": False}, {}, "warning: shop.example.org on port 443 speaks HTTP/2, and site.http2 is false"),
        ({}, {"encoding": ""}, "warning: /static/a.css is not sent compressed to those who take it"),
        (
            {"compression": "none"},
            {},
            'warning: /static/a.css is sent compressed (gzip), and compression is "none"',
        ),
        (
            {},
            {"cache": []},
            "warning: /static/a.0123456789ab.css has a hash in its name, and browsers do not keep it for long: "
            "there is no Cache-Control",
        ),
        (
            {},
            {"cache": ["max-age=5", KEPT]},
            "warning: /static/a.0123456789ab.css has a hash in its name, and browsers do not keep it for long: "
            f"Cache-Control is max-age=5 and {KEPT}",
        ),
        ({"hsts": {"days": 7}}, {}, f"Strict-Transport-Security is to be {HSTS}, and the web server says nothing"),
        (
            {"hsts": {"days": 7}},
            {"hsts": [[HSTS], [HSTS, "max-age=5"]]},
            f"Strict-Transport-Security is to be said once, and the start page says {HSTS} and max-age=5",
        ),
    ],
)
def test_what_the_wire_says_otherwise_than_the_settings_is_found_with_the_next_move(judged, site, answer, message):
    found, _runner = judged(answer, **site)
    assert told(found) == [message]


@pytest.mark.parametrize(
    ("site", "answer"),
    [
        ({"tls": "none"}, {"protocol": ""}),
        ({"http2": False}, {"protocol": "http/1.1"}),
        ({}, {"text": "", "encoding": "", "hashed": "", "cache": []}),
        ({"extra": "gzip off; expires 1h;"}, {"encoding": "", "cache": ["max-age=3600"]}),
        ({"immutable": False}, {"cache": []}),
        ({"compression": "none"}, {"encoding": ""}),
        ({"hsts": {"days": 7}}, {"hsts": [[HSTS], ["max-age=5"]]}),
        ({}, {"hsts": [[], ["max-age=5"]]}),
    ],
)
def test_what_the_settings_leave_to_others_is_not_judged(judged, site, answer):
    assert judged(answer, **site)[0] == []
