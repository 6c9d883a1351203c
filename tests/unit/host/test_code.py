"""What a host is told about the repository of the code, and the folder of the application in it."""

from __future__ import annotations

from hawser.host.code import in_release, repository_access
from hawser.host.places import served_path
from hawser.resources import Build, LinkedFolder
from hawser.tasks import builds, code, venv


def test_a_repository_that_is_pushed_needs_no_address_on_the_host(host):
    assert set(repository_access(host())) == {"mirror"}


def test_a_repository_that_hosts_fetch_comes_with_the_secrets_it_names(host):
    app = {"name": "shop", "repo": "git@git.test:shop.git", "deploy_key": "KEY"}
    access = repository_access(host(app=app, secrets={"KEY": "private"}))
    assert (access["repo"], access["key"], access["token"]) == ("git@git.test:shop.git", "private", "")


def test_commands_and_paths_of_an_application_in_a_subfolder_are_seen_from_there(host):
    one = host(app={"name": "shop", "repo": ".", "directory": "services/shop"})
    assert in_release(one, "make").cwd == f"{one.source}/services/shop"
    assert one.path("settings.json") == f"{one.source}/services/shop/settings.json"
    assert one.text("{{ release.code }}", "env.variables.CODE") == f"{one.source}/services/shop"
    assert served_path(one, "static") == "/srv/shop/current/source/services/shop/static"


def test_a_folder_that_the_code_expects_in_itself_is_linked_in_the_application_s_own_folder(host):
    app, persistent = {"name": "shop", "repo": ".", "directory": "backend"}, {"folders": ["media"], "linked": ["media"]}
    one = host(app=app, persistent=persistent)
    link = next(each for each in code.pull.resources(one) if isinstance(each, LinkedFolder))
    assert (link.path, link.target) == (f"{one.source}/backend/media", "/srv/shop/media")
    assert link.aside.endswith("/originals/backend/media")


def test_packages_named_for_an_application_in_a_subfolder_are_looked_for_there(host):
    one = host(app={"name": "shop", "repo": ".", "directory": "backend"}, python={"requirements": ["base.txt"]})
    (made,) = venv.build.resources(one)
    assert (made.source, made.directory, made.requirements) == (one.source, "backend", ("backend/base.txt",))


def test_a_build_of_an_application_in_a_subfolder_is_made_of_that_folder(host):
    app = {"name": "shop", "repo": ".", "directory": "backend"}
    one = host(app=app, builds={"lib": {"commands": ["make"], "outputs": ["lib"]}})
    made = next(each for each in builds.make.resources(one) if isinstance(each, Build))
    assert (made.inputs, made.directory, made.outputs) == (("backend",), "backend", ("backend/lib",))
