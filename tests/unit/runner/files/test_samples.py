"""Settings files made from samples: the sample's keys, order and types, our values, and nothing that does not fit."""

from __future__ import annotations

import ast
import configparser
import contextlib
import json
import stat
import time
from pathlib import Path

import pytest
import yaml

from hawser.runner.files import samples
from hawser.runner.files.sample_formats import Expression, dump, parse
from hawser.runner.files.samples import Settings, as_in, listing
from hawser.runner.rows import MOST_ROWS
from hawser.runner.system import Failure

from ..conftest import ME, MY_GROUP, validated, whole

# As a real server has it: numbers as text, comments as keys, and a key with dots.
SERVER = """{
  "paths" : { "static_path" : "webapp/www/" },
  "__comment" : "Fill this in for the production server.",
  "server" : { "host" : "localhost", "port" : "8080", "__comment": "1 hour", "timeout" : 3600, "auth": "skip" },
  "debug": false,
  "section.radius": 1.5,
  "clients": ["FOOBAR"],
  "proxy": null
}
"""


@pytest.fixture
def settings(system, tmp_path):
    source = tmp_path / "source"
    source.mkdir()

    def make(text=SERVER, name="server.conf", **changes):
        spec = {
            "path": f"{source}/{name}",
            "sample": f"{source}/{name}.sample",
            "source": str(source),
            "originals": f"{tmp_path}/originals",
            "format": "json",
            "values": {},
            "content": "",
            "optional": [],
            "new_keys": False,
            "mode": 0o640,
            "owner": ME,
            "group": MY_GROUP,
            **changes,
        }
        if text is not None and not Path(spec["sample"]).exists():
            Path(spec["sample"]).write_text(text)
        return Settings(whole("settings", spec), system)

    return make


def put(resource):
    """Bring a resource to its state as the engine does, see that it then holds, and return the file's text."""
    change = resource.check()
    assert change is not None
    resource.apply(change)
    assert type(resource)(resource.spec, resource.system).check() is None
    return Path(resource.spec["path"]).read_text()


class TestValues:
    def test_values_are_laid_over_the_sample_which_keeps_its_order_and_its_other_keys(self, settings):
        made = json.loads(put(settings(values={"server": {"host": "0.0.0.0"}})))
        assert made == {**json.loads(SERVER), "server": {**json.loads(SERVER)["server"], "host": "0.0.0.0"}}
        assert list(made) == list(json.loads(SERVER))

    def test_take_the_type_that_the_sample_has(self, settings):
        given = {
            "server": {"port": 443, "timeout": "60"},
            "debug": "true",
            "section.radius": "2.5",
            "clients": ["a", "b"],
            "proxy": {"any": "thing"},
        }
        made = json.loads(put(settings(values=given)))
        assert (made["server"]["port"], made["server"]["timeout"], made["debug"]) == ("443", 60, True)
        assert (made["section.radius"], made["clients"], made["proxy"]) == (2.5, ["a", "b"], {"any": "thing"})

    def test_values_that_do_not_fit_the_sample_are_all_named_at_once_and_nothing_is_written(self, settings):
        given = {
            "server": {"prot": "443", "timeout": "soon", "host": True, "auth": {"a": 1}},
            "debug": "perhaps",
            "clients": "a",
            "paths": "x",
            "wholly_new": 1,
        }
        resource = settings(values=given)
        with pytest.raises(Failure) as failure:
            resource.check()
        said = failure.value.message.splitlines()
        assert said[0].endswith(f"cannot be made from {resource.spec['sample']}:")
        assert said[1:] == [
            "  server.prot is not in the sample (did you mean port?)",
            "  server.timeout is a number in the sample",
            "  server.host is text in the sample",
            "  server.auth is no table in the sample",
            "  debug is true or false in the sample",
            "  clients is a list in the sample",
            "  paths is a table in the sample",
            "  wholly_new is not in the sample (new_keys = true allows it)",
        ]
        assert not Path(resource.spec["path"]).exists()

    def test_values_may_have_new_keys_where_that_is_said(self, settings):
        assert json.loads(put(settings(values={"wholly_new": 1}, new_keys=True)))["wholly_new"] == 1

    def test_values_that_somebody_was_to_replace_are_refused_but_not_in_comments(self, settings):
        sample = '{"secret": "CHANGEME", "__comment": "CHANGEME", "list": [{"key": "<REPLACE_ME>"}]}'
        with pytest.raises(Failure) as failure:
            settings(sample).check()
        assert failure.value.message.splitlines()[1:] == [
            "  secret is still CHANGEME",
            "  list.0.key is still REPLACE_ME",
        ]
        put(settings(sample, values={"secret": "x", "list": []}))

    @pytest.mark.parametrize(
        "text",
        [
            "Get from the console",
            "download according to the instructions at https://example.org, and put the path here",
            "Use https://example.org for the public server, or roll your own",
            "full name, e.g. org.example.app",
            "path/to/the/list, one per line",
            "<address>, similar to https://example.org",
            "xxxxx-cert.cer",
            "your-domain.org",
            "%%SECRET:cluster%%",
            "Fill this in\nfor production",
        ],
    )
    def test_values_that_read_as_an_instruction_are_refused_unless_somebody_has_given_them(self, settings, text):
        sample = json.dumps({"push": {"token": text, "kind": "fcm"}})
        with pytest.raises(Failure) as failure:
            settings(sample, values={"push": {"kind": "x"}}).check()
        assert "  push.token is still the sample's \"" in failure.value.message
        assert failure.value.message.endswith("; write it under values, the same text if it is meant")
        put(settings(sample, values={"push": {"token": text}}))

    @pytest.mark.parametrize(
        "text",
        [
            "fcm",
            "https://example.org/openpath",
            "/var/lib/x",
            "%(asctime)s %(message)s",
            "<b>Welcome</b>",
            "get",
            "A shop",
        ],
    )
    def test_plain_values_of_a_sample_are_taken(self, settings, text):
        put(settings(json.dumps({"a": text, "b": 1}), values={"b": 2}))

    def test_values_are_not_shown_where_a_secret_is_among_them(self, settings):
        change = settings(values={"server": {"auth": "hush"}}, opaque=True).check()
        assert "hush" not in change.diff + change.note


class TestAWholeText:
    def test_a_text_that_has_every_key_of_the_sample_is_taken_as_it_is(self, settings):
        text = SERVER.replace('"__comment": "1 hour",', "").replace("localhost", "example.org")
        assert put(settings(content=text)) == text

    def test_a_text_that_lacks_a_key_of_the_sample_is_refused(self, settings):
        text = SERVER.replace(', "auth": "skip"', "")
        with pytest.raises(Failure, match=r"server\.auth is in the sample and not in the file"):
            settings(content=text).check()
        assert put(settings(content=text, optional=["server.auth"])) == text

    def test_a_text_that_has_a_key_beyond_the_sample_is_refused(self, settings):
        with pytest.raises(Failure, match=r"server\.hosts is not in the sample \(did you mean host\?\)"):
            settings(content=SERVER.replace('"host"', '"hosts": "b", "host"')).check()

    def test_a_text_that_cannot_be_read_is_refused(self, settings):
        with pytest.raises(Failure, match="is not valid JSON"):
            settings(content="{").check()


class TestTheSample:
    def test_a_sample_that_is_missing_is_named(self, settings):
        resource = settings(None)
        with pytest.raises(Failure, match=r"the sample .*server\.conf\.sample does not exist"):
            resource.check()

    def test_a_sample_with_single_quotes_is_understood(self, settings):
        sample = "{\n 'version': 1,\n 'root': {'level': 'DEBUG', 'handlers': ['file'],},\n}\n"
        made = put(settings(sample, values={"root": {"level": "INFO"}}))
        assert json.loads(made) == {"version": 1, "root": {"level": "INFO", "handlers": ["file"]}}

    def test_a_sample_with_a_trailing_comma_and_comments_is_understood(self, settings):
        sample = '{\n  // the certificate\n  "cert": "a // b, }", # here\n  "key": "k", /* all */\n}\n'
        assert json.loads(put(settings(sample, values={"key": "x"}))) == {"cert": "a // b, }", "key": "x"}

    def test_a_sample_with_a_key_twice_means_the_last_one_as_for_the_program(self, settings):
        assert json.loads(put(settings('{"a": 1, "a": 2}'))) == {"a": 2}

    def test_a_sample_that_is_beyond_help_is_refused(self, settings):
        with pytest.raises(Failure, match=r"server\.conf\.sample is not valid JSON"):
            settings("{a: 1}").check()
        with pytest.raises(Failure, match="holds no table"):
            settings("[1]", name="list.conf").check()

    def test_a_sample_may_be_the_file_itself_which_can_be_made_again_with_other_values(self, settings, tmp_path):
        name, path = "cc.conf", tmp_path / "source" / "cc.conf"
        path.write_text('{"a": 1, "b": 2}')
        same = {"sample": str(path), "name": name}
        assert json.loads(put(settings(None, values={"a": 5}, **same))) == {"a": 5, "b": 2}
        assert json.loads(put(settings(None, values={"b": 6}, **same))) == {"a": 1, "b": 6}
        assert stat.S_IMODE((tmp_path / "originals").stat().st_mode) == 0o700


class TestYaml:
    def test_yaml_is_read_and_written_by_the_systems_own_parser(self, settings):
        sample = "# the contest\ncontest:\n  game: prolo\n  port: 8067\nwebsite: {secret: x}\n"
        made = put(settings(sample, name="web.yml", format="yaml", values={"contest": {"port": "9", "game": "yes"}}))
        assert yaml.safe_load(made) == {"contest": {"game": "yes", "port": 9}, "website": {"secret": "x"}}
        assert made.index("contest") < made.index("website")

    def test_a_sample_that_is_no_yaml_is_refused(self, settings):
        with pytest.raises(Failure, match="is not YAML that can be read"):
            settings("a: [", name="web.yml", format="yaml").check()


class TestIni:
    def test_an_ini_file_keeps_the_case_of_its_keys_and_what_stands_in_values(self, settings):
        sample = "[DEFAULT]\nall = 1\n[Site]\nName = a%b\nURL = http://x;y\nflag\n"
        made = put(settings(sample, name="a.ini", format="ini", values={"Site": {"Name": "c %(d)s"}}))
        parser = configparser.RawConfigParser(allow_no_value=True)
        parser.optionxform = str
        parser.read_string(made)
        assert dict(parser["Site"]) == {"all": "1", "Name": "c %(d)s", "URL": "http://x;y", "flag": None}


class TestPython:
    SAMPLE = (
        '# Settings of the command center.\nimport os\n\nname = "cc"  # its name\n'
        "external_options = {\n    'external_url': '127.0.0.1',\n    'external_http_port': '8960',\n}\n"
        "folder = os.getcwd()\n"
    )

    def test_only_values_that_differ_are_written_anew_in_python(self, settings):
        values = {"external_options": {"external_http_port": 443}, "folder": "/srv"}
        made = put(settings(self.SAMPLE, name="cc.conf", format="python", values=values))
        assert made.startswith('# Settings of the command center.\nimport os\n\nname = "cc"  # its name\n')
        names: dict[str, object] = {}
        exec(compile(ast.parse(made), "cc.conf", "exec"), names)
        assert names["external_options"] == {"external_url": "127.0.0.1", "external_http_port": "443"}
        assert names["folder"] == "/srv"

    def test_a_value_that_is_hard_to_quote_arrives_as_it_is(self, settings):
        hard = "a'b\"c\\d%e#f;\n$g ü"
        made = put(settings(self.SAMPLE, name="cc.conf", format="python", values={"name": hard}))
        names: dict[str, object] = {}
        exec(compile(made, "cc.conf", "exec"), names)
        assert names["name"] == hard

    def test_a_sample_of_python_that_cannot_be_parsed_is_refused(self, settings):
        with pytest.raises(Failure, match="is not valid Python"):
            settings("name = = 1", name="cc.conf", format="python").check()


def test_the_samples_of_a_checkout_are_listed_with_what_becomes_of_them(system, tmp_path):
    for name in ("conf/net/keys.json.sample", "conf/log.conf.sample", "conf/log.conf", ".git/a.sample", "b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = listing(system, str(tmp_path), [f"{tmp_path}/conf/net/keys.json.sample"])
    assert found["rows"] == [
        {"sample": "conf/net/keys.json.sample", "exists": False, "used": True},
        {"sample": "conf/log.conf.sample", "exists": True, "used": False},
    ]


def test_samples_in_use_are_told_first_of_very_many_and_the_rest_is_counted(system, monkeypatch):
    names = [f"{number}.sample" for number in range(110_000)]
    monkeypatch.setattr(samples, "walk", lambda _source: [("/s", [], names)])
    found = listing(system, "/s", ["/s/99.sample"])
    assert found["rows"][0]["sample"] == "99.sample"
    assert (len(found["rows"]), found["more"]) == (MOST_ROWS, 110_000 - MOST_ROWS)
    validated(found, "samples.listing")


def test_lines_of_a_python_file_are_counted_as_python_does(system):
    text = 'A = "x"  # \u2028 \x0c\nB = 1\n'
    assert dump(system, "python", text, {"A": "x", "B": 2}) == 'A = "x"  # \u2028 \x0c\nB = 2\n'


def test_a_value_of_a_python_file_that_cannot_be_made_is_no_literal(system):
    deep = f"B = {'-' * 9000}1"
    for text in ("A = {[]: 1}", "A = -'x'", "A = {**1}"):
        assert isinstance(parse(system, "python", text, "x.py")["A"], Expression)
    with contextlib.suppress(Failure):
        parse(system, "python", deep, "x.py")


@pytest.mark.parametrize("value", [2, True, "two", ["a"]])
def test_a_value_that_was_to_be_replaced_says_nothing_of_the_type(value):
    assert as_in("CHANGEME", value) == value


def test_a_sample_that_unfolds_without_an_end_is_refused(system):
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(Failure, match="is not YAML that can be read"):
        parse(system, "yaml", "\n".join(rows), "x.yml")


ENDLESS = {"comment": "/*" * 200_000, "text": '{"a": "' + '\\"' * 200_000, "comma": "," + " " * 200_000}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_a_sample_without_an_end_takes_no_longer_than_its_length(system, text):
    began = time.monotonic()
    with pytest.raises(Failure):
        parse(system, "json", text, "x.json")
    assert time.monotonic() - began < 10
