"""What mkdocs has to know of these documents: their anchors, and links to files that lie beside them.

A document links to files of the repository as a forge shows them: `../hosts/example.toml`. On the site each of them is
a page below `repository/`, so that every link can be followed, and checked, without a forge.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
DOCS, REPOSITORY = "docs", "repository"
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
FENCE = re.compile(r"^( *)```.*?^ *```", re.M | re.S)


def slug(title: str, _separator: str = "-") -> str:
    """Return the anchor of a heading, as a forge makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def on_config(config: Any) -> Any:
    """Have headings get these anchors."""
    config.mdx_configs["toc"] = {**config.mdx_configs.get("toc", {}), "slugify": slug}
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add a page for each file beside the documents that is linked to, from a page that is added as well."""
    from mkdocs.structure.files import File

    open_places = [f"{DOCS}/{file.src_uri}" for file in files if file.src_uri.endswith(".md")]
    seen = set()
    while open_places:
        for target in targets(open_places.pop()):
            if target in seen or target.startswith(f"{DOCS}/"):
                continue
            seen.add(target)
            files.append(File.generated(config, page_of(target), content=shown(target)))
            if target.endswith(".md"):
                open_places.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links of the repository into links of the site."""
    here = page.file.src_uri
    inside = here.removeprefix(f"{REPOSITORY}/")
    place = f"{DOCS}/{here}" if inside == here else inside
    if not (PROJECT / place).is_file():
        # What a page shows of a file that is no document.
        return markdown

    def turned(path: str) -> str:
        target = resolved(place, path)
        return posixpath.relpath(page_of(target), posixpath.dirname(here) or ".") if target else path

    return outside_of_code(markdown, lambda text: LINK.sub(lambda found: turned(found[1]) + (found[2] or ""), text))


def outside_of_code(markdown: str, change: Callable[[str], str]) -> str:
    """Change a text but for its blocks of code."""
    parts, end = [], 0
    for found in FENCE.finditer(markdown):
        parts += [change(markdown[end : found.start()]), found[0]]
        end = found.end()
    return "".join([*parts, change(markdown[end:])])


def targets(place: str) -> Iterator[str]:
    """Yield the files and folders of the repository to which a document links."""
    text = FENCE.sub("", (PROJECT / place).read_text(encoding="utf-8"))
    yield from (target for found in LINK.finditer(text) if (target := resolved(place, found[1])))


def resolved(place: str, path: str) -> str:
    """Return the file or folder of the repository that a link means; empty for an address, or where there is none."""
    if "://" in path:
        return ""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(place), path))
    return target if not target.startswith("..") and (PROJECT / target).exists() else ""


def page_of(target: str) -> str:
    """Return where a file or folder of the repository lies on the site."""
    if target.startswith(f"{DOCS}/"):
        return target.removeprefix(f"{DOCS}/")
    return f"{REPOSITORY}/{target.removesuffix('.md')}.md"


def shown(target: str) -> str:
    """Return the text of the page that shows a file or folder."""
    path = PROJECT / target
    if path.is_dir():
        return f"# {target}\n\n" + "".join(f"- `{each.name}`\n" for each in sorted(path.iterdir()))
    text = path.read_text(encoding="utf-8")
    if target.endswith(".md"):
        return text
    return f"# {target}\n\n````{path.suffix.lstrip('.') or 'text'}\n{text}\n````\n"
