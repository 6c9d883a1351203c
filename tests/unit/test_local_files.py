"""Files for clients of the application, made on the controlling machine."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hawser.host import Host
from hawser.inventory import read_environment
from hawser.inventory.local import LocalEntry
from hawser.secrets import Secrets
from hawser.templates import TemplateError, Templates
from tasks.config import local_texts

CATALOGS = Path(__file__).parent / "catalogs"
Make = Callable[..., Host]


@pytest.fixture
def host(tmp_path: Path) -> Make:
    def make(*entries: LocalEntry) -> Host:
        environment = read_environment(CATALOGS / "pier.toml")
        if entries:
            environment = environment.model_copy(update={"local": entries})
        addresses = {name: each.address for name, each in environment.hosts.items()}
        secrets = Secrets("pier", tmp_path / "pier.env", {"KEY": "very secret", "DATA_PASSPHRASE": "x" * 12}, ())
        return Host("front1", environment, secrets, Templates([tmp_path]), addresses)

    return make


def test_they_are_rendered_with_what_the_environment_says(host: Make) -> None:
    (text,) = local_texts(host()).values()
    assert json.loads(text) == {"url": "https://pier.example.org"}


def test_what_would_be_no_json_is_refused(host: Make) -> None:
    with pytest.raises(TemplateError) as found:
        local_texts(host(LocalEntry(path="a/b.json", content='{"url": {{ site.domains[1] }}}')))
    assert "pier.toml: local[0]: a/b.json would not be valid JSON" in str(found.value)


def test_a_template_gets_no_secret(host: Make, tmp_path: Path) -> None:
    (tmp_path / "client.j2").write_text("key={{ secrets.KEY }}")
    with pytest.raises(TemplateError, match=r"a secret \(KEY\) in a file for clients is a secret no more"):
        local_texts(host(LocalEntry(path="client.ini", template="client.j2")))


def test_they_are_no_part_of_a_release(host: Make) -> None:
    from hawser.release import Release

    one, other = host(), host(LocalEntry(path="a", content="b"))
    ids = {
        Release.of("1" * 40, each.environment, each.templates, each.secrets, each.addresses).id
        for each in (one, dataclasses.replace(other, templates=one.templates))
    }
    assert len(ids) == 1
