"""What the hosts take over from the machine."""

from __future__ import annotations

from hawser.sandbox.machine import (
    BUNDLE,
    Release,
    apt_options,
    environment_file,
    manager_configuration,
    npm_variables,
    option_files,
    pip_configuration,
    proxies,
    release,
)


def pip(*texts: str, **variables: str) -> str:
    return pip_configuration(texts, variables, lambda path: path == BUNDLE)


def test_the_release_is_read_with_and_without_quotes() -> None:
    assert release('ID=ubuntu\nVERSION_CODENAME="noble"\nPRETTY_NAME="Ubuntu 24.04 LTS"\n') == Release(
        "ubuntu", "noble"
    )


def test_a_release_without_a_code_name_is_empty() -> None:
    assert release("ID=arch\n") == Release("arch", "")


def test_later_pip_files_win() -> None:
    assert pip("[global]\nindex-url = https://a/\n", "[global]\nindex-url = https://b/\n") == (
        "[global]\nindex-url = https://b/\n"
    )


def test_addresses_of_this_machine_alone_are_dropped_from_pips_configuration() -> None:
    text = (
        "[global]\nfind-links = /opt/wheels\nextra-index-url = file:///opt/simple https://mirror/simple\n"
        f"constraint = /etc/xdg/pip/constraints.txt\ncert = {BUNDLE}\n"
    )
    assert pip(text) == f"[global]\nextra-index-url = https://mirror/simple\ncert = {BUNDLE}\n"


def test_no_index_goes_with_the_last_of_the_links() -> None:
    assert pip("[global]\nfind-links = /opt/wheels\nno-index = true\n") == ""


def test_no_index_stays_with_links_that_hosts_can_reach() -> None:
    assert "no-index" in pip("[global]\nfind-links = https://wheels/\nno-index = true\n")


def test_pips_variables_win_over_its_files() -> None:
    assert pip("[global]\nindex-url = https://a/\n", PIP_INDEX_URL="https://b/") == "[global]\nindex-url = https://b/\n"


def test_a_broken_pip_file_is_passed_over() -> None:
    assert pip("no section\n", "[install]\nno-compile = yes\n") == "[install]\nno-compile = yes\n"


def test_apts_options_about_archives_are_taken_and_its_folders_are_not() -> None:
    dump = (
        'Dir::Cache "var/cache/apt";\nAcquire "";\nAcquire::http "";\nAcquire::http::Proxy "http://proxy:3128";\n'
        'Acquire::Check-Valid-Until "false";\nAcquire::Languages "";\nAcquire::Languages:: "none";\n'
        'Acquire::IndexTargets::deb::Packages::MetaKey "x";\n'
        'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";\nDPkg::Post-Invoke:: "rm /var/cache/apt/*";\n'
    )
    assert apt_options(dump) == [
        'Acquire::http::Proxy "http://proxy:3128";',
        'Acquire::Check-Valid-Until "false";',
        'Acquire::Languages:: "none";',
        'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
    ]


def test_certificates_that_apts_options_name_are_taken_too() -> None:
    assert option_files(['Acquire::https::CaInfo "/etc/own.pem";', 'Acquire::Retries "3";']) == ["/etc/own.pem"]


def test_proxies_are_handed_on_in_both_spellings() -> None:
    assert proxies({"https_proxy": "http://p:1", "NO_PROXY": "localhost"}) == {
        "https_proxy": "http://p:1",
        "HTTPS_PROXY": "http://p:1",
        "no_proxy": "localhost",
        "NO_PROXY": "localhost",
    }


def test_a_proxy_on_this_machine_alone_is_not_handed_on() -> None:
    assert proxies({"http_proxy": "http://127.0.0.1:3128", "https_proxy": "http://user:x@localhost:1"}) == {}


def test_npms_registry_is_handed_on_and_its_tokens_are_not() -> None:
    text = "//registry.example/:_authToken=abc\nregistry = https://registry.example/\nfund=false\n"
    assert npm_variables(text) == {"NPM_CONFIG_REGISTRY": "https://registry.example/"}


def test_variables_reach_logins_and_services() -> None:
    assert environment_file({"B": "2", "A": "x y"}) == 'A="x y"\nB="2"\n'
    assert manager_configuration({"A": "x%20y"}) == '[Manager]\nDefaultEnvironment="A=x%%20y"\n'
