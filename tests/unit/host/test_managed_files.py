"""Files that the environment file has written on a host."""

from __future__ import annotations

import pytest

from hawser.host import managed_files
from hawser.templates.rendering import TemplateError

from .conftest import NEW


class TestFilesFromTemplates:
    def test_files_are_rendered_for_the_hosts_of_their_groups(self, host):
        files = [
            {"path": "/etc/shop.json", "content": '"{{ host.name }}"', "groups": ["web"]},
            {"path": "conf.py", "content": "A = 1\n", "validate": "none"},
        ]
        (first, _), (second, _) = managed_files.files(host("web1", files=files))
        assert (first.content, first.owner, first.group, first.mode) == ('"web1"', "root", "shop", 0o640)
        assert (second.path, second.owner) == (f"/srv/shop/releases/{NEW}/source/conf.py", "shop")
        assert [file.path for file, _ in managed_files.files(host("data1", files=files))] == [second.path]

    def test_files_are_validated_by_their_ending_unless_told_otherwise(self, host):
        files = [
            {"path": "/etc/a.json", "content": "{}"},
            {"path": "/etc/b.json", "content": "{}", "validate": "none"},
            {"path": "/etc/c.conf", "content": "", "validate": "visudo -cf {}"},
        ]
        assert [file.validate for file, _ in managed_files.files(host(files=files))] == ["json", "", "visudo -cf {}"]

    def test_files_that_cannot_be_rendered_are_named_by_their_place_in_the_list(self, host):
        files = [{"path": "/etc/a", "content": ""}, {"path": "/etc/b", "content": "{{ nothing }}"}]
        with pytest.raises(TemplateError) as error:
            managed_files.files(host(files=files))
        assert str(error.value.problem) == "shop.toml: files[1].content: 'nothing' is undefined"
