"""The site that `make docs` builds: every document has its place, and links lead to pages that show what is meant."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_of_the_docs", PROJECT / "bin" / "site.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for each in entry.values() if isinstance(entry, dict) else entry:
            yield from pages(each)


def test_each_document_has_one_place_in_the_navigation() -> None:
    settings = yaml.safe_load((PROJECT / "mkdocs.yml").read_text())
    documents = {str(path.relative_to(PROJECT / "docs")) for path in (PROJECT / "docs").rglob("*.md")}
    assert sorted(pages(settings["nav"])) == sorted(documents)


@pytest.mark.parametrize(
    ("title", "anchor"),
    [("[processes.NAME.health]", "processesnamehealth"), ("A host's Debian, and `-v`", "a-hosts-debian-and--v")],
)
def test_anchors_are_those_of_a_forge(site: ModuleType, title: str, anchor: str) -> None:
    assert site.slug(title) == anchor


@pytest.mark.parametrize(
    ("here", "link", "turned"),
    [
        ("settings.md", "../hosts/example.toml", "repository/hosts/example.toml.md"),
        ("how-to/files.md", "../../conf_templates", "../repository/conf_templates.md"),
        ("how-to/files.md", "../settings.md#app", "../settings.md#app"),
        ("repository/README.md", "docs/how-to/code.md#build-from-source", "../how-to/code.md#build-from-source"),
        ("repository/README.md", "LICENSE", "LICENSE.md"),
        ("tutorial.md", "../hosts/nowhere.toml", "../hosts/nowhere.toml"),
        ("tutorial.md", "https://example.org/a#b", "https://example.org/a#b"),
    ],
)
def test_a_link_leads_to_the_page_of_the_file_that_it_means(
    site: ModuleType, here: str, link: str, turned: str
) -> None:
    class Page:
        class file:
            src_uri = here

    code = f"```text\n[a]({link})\n```\n"
    assert site.on_page_markdown(f"[a]({link})\n{code}", Page) == f"[a]({turned})\n{code}"


def test_a_file_beside_the_documents_is_shown_as_it_is_and_a_folder_by_its_names(site: ModuleType) -> None:
    assert site.shown("hosts/demo.toml").count((PROJECT / "hosts" / "demo.toml").read_text()) == 1
    assert "- `nginx-site.conf.j2`" in site.shown("conf_templates")
    assert site.shown("CONTRIBUTING.md") == (PROJECT / "CONTRIBUTING.md").read_text()
