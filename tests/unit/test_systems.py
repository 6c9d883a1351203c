"""The environment files of whole systems, as far as no host is needed."""

from __future__ import annotations

from pathlib import Path

from hawser.inventory import read_environment

HOSTS = Path(__file__).parent.parent.parent / "hosts"


def test_the_staging_site_of_cts_is_production_but_for_its_names() -> None:
    production, staging = (read_environment(HOSTS / f"{name}.toml") for name in ("cts", "cts-staging"))
    there, here = production.model_dump(), staging.model_dump()
    assert (here["site"].pop("domains"), there["site"].pop("domains")) == (
        ("cts-staging.rescue.org",),
        ("cts.rescue.org",),
    )
    assert here["app"].pop("branch") == "develop" != there["app"].pop("branch")
    assert (here["env"]["variables"].pop("ENVIRONMENT"), there["env"]["variables"].pop("ENVIRONMENT")) == (
        "staging",
        "production",
    )
    for each in (here, there):
        for name in ("certificate", "key"):
            each["site"].pop(name)
        each.pop("name")
    assert here == there


def test_throwaway_hosts_of_cts_are_others_for_staging() -> None:
    for name in ("cts", "cts-staging"):
        assert all(host.sandbox for host in read_environment(HOSTS / f"{name}.toml").hosts.values())
