"""What a host is told about the repository of the code."""

from __future__ import annotations

from hawser.host.code import repository_access


def test_a_repository_that_is_pushed_needs_no_address_on_the_host(host):
    assert set(repository_access(host())) == {"mirror"}


def test_a_repository_that_hosts_fetch_comes_with_the_secrets_it_names(host):
    app = {"name": "shop", "repo": "git@git.test:shop.git", "deploy_key": "KEY"}
    access = repository_access(host(app=app, secrets={"KEY": "private"}))
    assert (access["repo"], access["key"], access["token"]) == ("git@git.test:shop.git", "private", "")
