"""The file with what nginx's http block lacks for sites."""

from __future__ import annotations

import pytest

from hawser.runner.files import nginx
from hawser.runner.files.nginx import HttpBlock
from hawser.runner.files.validate import VALIDATORS

from ..conftest import ME, MY_GROUP, whole

BOTH = "events {}\nhttp {\n  include conf.d/*.conf;\n  include FOLDER/sites-enabled/*;\n}\n"


@pytest.fixture
def block(system, tmp_path, monkeypatch):
    """Make the resource for a host whose nginx.conf says what a test gives."""
    monkeypatch.setattr(nginx, "MAIN", str(tmp_path / "nginx.conf"))
    monkeypatch.setattr(VALIDATORS["nginx"], "check", lambda *arguments: None)
    for folder in ("conf.d", "sites-enabled"):
        (tmp_path / folder).mkdir()

    def block(text, **settings):
        (tmp_path / "nginx.conf").write_text(text.replace("FOLDER", str(tmp_path)))
        fields = {"path": f"{tmp_path}/conf.d/hawser.conf", "settings": settings or {"server_names_hash_max_size": "9"}}
        spec = {**fields, "sites": f"{tmp_path}/sites-enabled", "owner": ME, "group": MY_GROUP}
        return HttpBlock(whole("http_block", spec), system)

    return block


def lines(resource):
    return [line for line in resource.text.splitlines() if not line.startswith("#")]


def test_what_nobody_has_set_is_set_and_once_is_enough(block):
    resource = block(BOTH)
    resource.apply(resource.check())
    assert lines(block(BOTH)) == ["server_names_hash_max_size 9;"]
    assert block(BOTH).check() is None


@pytest.mark.parametrize("place", ["nginx.conf", "conf.d/tuning.conf", "sites-enabled/old"])
def test_what_others_have_set_is_left_to_them_wherever_it_stands(block, tmp_path, place):
    said = "server_names_hash_max_size\n  1024;"
    (tmp_path / place).write_text(said)
    text = BOTH.replace("http {", f"http {{ {said}") if place == "nginx.conf" else BOTH
    assert lines(block(text)) == []


def test_what_stands_in_a_comment_or_in_a_longer_word_is_not_set(block):
    text = BOTH.replace("http {", "http {\n  # server_names_hash_max_size 1;\n  x_server_names_hash_max_size 1;")
    assert lines(block(text)) == ["server_names_hash_max_size 9;"]


def test_sites_are_included_where_nothing_else_does(block, tmp_path):
    only = BOTH.replace("  include FOLDER/sites-enabled/*;\n", "")
    assert lines(block(only))[-1] == f"include {tmp_path}/sites-enabled/*.conf;"
    through = tmp_path / "conf.d" / "sites.conf"
    through.write_text(f'include "{tmp_path}/sites-enabled/*.conf";')
    assert len(lines(block(only))) == 1


def test_files_that_include_each_other_end(block, tmp_path):
    (tmp_path / "conf.d" / "a.conf").write_text("include conf.d/*.conf; include nginx.conf;")
    assert lines(block(BOTH)) == ["server_names_hash_max_size 9;"]
