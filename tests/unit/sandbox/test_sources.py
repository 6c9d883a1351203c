"""The machine's apt sources, reduced to those of its own distribution."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawser.sandbox.sources import Source, keyrings, of_release, one_line_sources, paragraphs, reachable


def test_the_distribution_and_its_pockets_are_kept() -> None:
    text = (
        "deb http://deb.debian.org/debian bookworm main contrib\n"
        "deb http://deb.debian.org/debian bookworm-updates main\n"
        "deb http://security.debian.org/debian-security bookworm-security main # fixes\n"
    )
    assert one_line_sources(text, "bookworm") == text.replace(" # fixes", "")


def test_other_distributions_and_third_parties_are_dropped() -> None:
    text = (
        "# deb http://deb.debian.org/debian bookworm main\n"
        "deb http://deb.debian.org/debian trixie main\n"
        "deb-src http://deb.debian.org/debian bookworm main\n"
        "deb https://download.docker.com/linux/debian bookworm stable\n"
        "deb https://apt.postgresql.org/pub/repos/apt bookworm-pgdg main\n"
        "deb cdrom:[Debian]/ bookworm main\n"
        "deb file:/srv/debian bookworm main\n"
    )
    assert one_line_sources(text, "bookworm") == ""


def test_the_options_of_a_line_of_sources_stay() -> None:
    line = "deb [ arch=amd64 signed-by=/usr/share/keyrings/a.gpg ] http://archive.ubuntu.com/ubuntu noble universe\n"
    assert one_line_sources(line, "noble") == line.replace("[ ", "[").replace(" ]", "]")


def test_paragraphs_keep_their_fields_and_lose_their_comments() -> None:
    text = (
        "# the archive\nTypes: deb deb-src\n# http://snapshot/\nURIs: http://deb.debian.org/debian\n"
        "Suites: bookworm bookworm-updates\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        "\n"
        "Types: deb\nURIs: https://deb.nodesource.com/node_20.x\nSuites: nodistro\nComponents: main\n"
    )
    assert paragraphs(text, "bookworm") == (
        "Types: deb\nUris: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )


def test_a_key_written_into_a_paragraph_stays_whole() -> None:
    text = (
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n"
    )
    assert paragraphs(text, "bookworm").endswith(
        "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n"
    )


def test_a_disabled_paragraph_is_dropped() -> None:
    text = "Enabled: no\nTypes: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main\n"
    assert paragraphs(text, "bookworm") == ""


def test_a_mirror_list_in_a_file_stands_for_its_first_address(tmp_path: Path) -> None:
    mirrors = tmp_path / "mirrors.txt"
    mirrors.write_text("# near\nhttp://near.example/ubuntu/\tpriority:1\nhttp://archive.ubuntu.com/ubuntu/\n")
    assert reachable(f"mirror+file:{mirrors}") == "http://near.example/ubuntu/"
    assert reachable("mirror+file:/nowhere") == ""


def test_the_files_with_keys_are_found_in_both_forms() -> None:
    sources = [
        Source("a.list", "deb [arch=amd64 signed-by=/keys/a.gpg,/keys/b.gpg] http://x/ noble main\n"),
        Source("b.sources", "Types: deb\nSigned-By: /keys/c.gpg\n"),
        Source("c.sources", "Types: deb\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n"),
    ]
    assert keyrings(sources) == ["/keys/a.gpg", "/keys/b.gpg", "/keys/c.gpg"]


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("deb http://x/debian bookworm main\n", "deb http://x/debian trixie main\n"),
        ("deb http://x/bookworm bookworm-updates main\n", "deb http://x/bookworm trixie-updates main\n"),
        ("deb http://x/y bookworm/updates main\n", "deb http://x/y trixie/updates main\n"),
        (
            "Types: deb\nUris: http://x/bookworm-security\nSuites: bookworm bookworm-security\nComponents: main\n",
            "Types: deb\nUris: http://x/bookworm-security\nSuites: trixie trixie-security\nComponents: main\n",
        ),
    ],
)
def test_the_suites_alone_are_those_of_another_release(text: str, moved: str) -> None:
    assert of_release(Source("a.list", text), "bookworm", "trixie").text == moved
