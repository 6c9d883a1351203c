"""Where the web server finds what it serves."""

from __future__ import annotations

import pytest

from hawser.host.places import served_path

from .conftest import BUILDS


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("static", "/srv/shop/current/source/static"),
        ("public/media", "/srv/shop/public/media"),
        ("public/other", "/srv/shop/current/source/public/other"),
        ("/usr/share/doc", "/usr/share/doc"),
    ],
)
def test_nginx_serves_the_current_code_what_persists_and_what_is_absolute(host, path, found):
    assert served_path(host(persistent={"folders": ["public/media"]}), path) == found


@pytest.mark.parametrize("path", ["public/static", "public/static/css"])
def test_of_a_persistent_folder_that_builds_fill_the_copy_of_the_release_that_serves_is_served(host, path):
    settings = {"folders": ["public/static", "public/static-old"], "collected": ["public/static"]}
    assert served_path(host(persistent=settings), path) == f"/srv/shop/current/collected/{path}"
    assert served_path(host(persistent=settings), "public/static-old") == "/srv/shop/public/static-old"


def test_nginx_finds_a_build_through_the_release_that_serves(host):
    path = host(builds=BUILDS).text("{{ builds.lib.prefix }}/www", "site.static./www/")
    assert served_path(host(builds=BUILDS), path) == "/srv/shop/current/builds/lib/www"
