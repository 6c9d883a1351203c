"""Files for clients of the application, made on the controlling machine."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hawser.errors import InputErrors
from hawser.host import Host
from hawser.inventory import read_environment
from hawser.inventory.tables.local import LocalEntry
from hawser.secrets import Secrets, in_file
from hawser.tasks.config import compare, local_texts
from hawser.templates.rendering import TemplateError, Templates

CATALOGS = Path(__file__).parents[1] / "catalogs"
Make = Callable[..., Host]


@pytest.fixture
def host(tmp_path: Path) -> Make:
    def make(*entries: LocalEntry) -> Host:
        environment = read_environment(CATALOGS / "pier.toml")
        if entries:
            environment = environment.model_copy(update={"local": entries})
        addresses = {name: each.address for name, each in environment.hosts.items()}
        secrets = Secrets(
            "pier", in_file(tmp_path / "pier.env"), {"KEY": "very secret", "DATA_PASSPHRASE": "x" * 12}, ()
        )
        return Host("front1", environment, secrets, Templates([tmp_path]), addresses)

    return make


def test_local_files_are_rendered_with_what_the_environment_says(host: Make) -> None:
    (text,) = local_texts(host()).values()
    assert json.loads(text) == {"url": "https://pier.example.org"}


def test_a_local_file_that_would_be_no_json_is_refused(host: Make) -> None:
    with pytest.raises(TemplateError) as found:
        local_texts(host(LocalEntry(path="a/b.json", content='{"url": {{ site.domains[1] }}}')))
    assert "pier.toml: local[0]: a/b.json would not be valid JSON" in str(found.value)


def test_the_template_of_a_local_file_gets_no_secret(host: Make, tmp_path: Path) -> None:
    (tmp_path / "client.j2").write_text("key={{ secrets.KEY }}")
    with pytest.raises(TemplateError, match=r"a secret \(KEY\) in a file for clients is a secret no more"):
        local_texts(host(LocalEntry(path="client.ini", template="client.j2")))


def test_local_files_are_no_part_of_a_release(host: Make) -> None:
    from hawser.host.release import Release

    one, other = host(), host(LocalEntry(path="a", content="b"))
    ids = {
        Release.of("1" * 40, each.environment, each.templates, each.secrets, each.addresses).id
        for each in (one, dataclasses.replace(other, templates=one.templates))
    }
    assert len(ids) == 1


SAMPLE = """{
    "url": "SERVER",  // including the port
    "ios": {"auth": {"method": "prompted-auth"}},
    "__comment": "for phones",
}"""


def complaints(host: Host, folder: Path) -> list[str]:
    """Return what is said of files that are compared with a client's samples."""
    try:
        compare(host.environment, local_texts(host), folder)
    except InputErrors as error:
        return [str(problem) for problem in error.problems]
    return []


def test_a_local_file_with_the_keys_of_the_clients_sample_is_well(host: Make, tmp_path: Path) -> None:
    (tmp_path / "a.json.sample").write_text(SAMPLE)
    text = '{"url": "https://x", "ios": {"auth": {"method": "none"}}}'
    assert complaints(host(LocalEntry(path="a.json", content=text, sample="a.json.sample")), tmp_path) == []


def test_every_key_that_differs_from_the_clients_sample_is_told(host: Make, tmp_path: Path) -> None:
    (tmp_path / "a.json.sample").write_text(SAMPLE)
    text = '{"ur": "https://x", "ios": {"auth": {}}}'
    one, other = LocalEntry(path="b.json", content="1"), LocalEntry(path="a.json", content=text, sample="a.json.sample")
    assert complaints(host(one, other), tmp_path) == [
        "pier.toml: local[1].sample: a.json: url is in the sample and not in the file",
        "pier.toml: local[1].sample: a.json: ios.auth.method is in the sample and not in the file",
        "pier.toml: local[1].sample: a.json: ur is not in the sample (did you mean url?)",
    ]


def test_a_key_that_the_sample_lacks_may_be_allowed(host: Make, tmp_path: Path) -> None:
    (tmp_path / "a.json.sample").write_text("{}")
    entry = LocalEntry(path="a.json", content='{"new": 1}', sample="a.json.sample")
    assert [line.rpartition(": ")[2] for line in complaints(host(entry), tmp_path)] == [
        "new is not in the sample (new_keys = true allows it)"
    ]
    assert complaints(host(entry.model_copy(update={"new_keys": True})), tmp_path) == []


@pytest.mark.parametrize(("text", "why"), [(None, "No such file or directory"), ("{", "is not valid JSON")])
def test_a_clients_sample_that_cannot_be_read_is_told(host: Make, tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "a.json.sample").write_text(text)
    (line,) = complaints(host(LocalEntry(path="a.json", content="{}", sample="a.json.sample")), tmp_path)
    assert line.startswith(f"pier.toml: local[0].sample: {tmp_path}/a.json.sample: ") and why in line
    assert line.endswith(f"(is {tmp_path} the folder of the client?)")
