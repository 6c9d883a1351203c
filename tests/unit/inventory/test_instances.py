"""What is written once for all instances of an application, and where mistakes in it are reported."""

from __future__ import annotations

import pytest

from hawser.errors import InputErrors
from hawser.inventory import read_environment
from hawser.inventory.instances import expand, mentions
from hawser.inventory.tables.app import instance_of

BASE = """
[app]
name = "shop"
repo = "https://git.example.org/shop.git"
[hosts.web1]
address = "10.0.0.1"
groups = ["web"]
"""
TWO = """
[instances.north]
prefix = "/N"
port = 8001
[instances.south]
prefix = "/S"
port = 8002
"""
SERVER = """
[processes."server-{{ instance.name }}"]
command = "serve --port {{ port }} --prefix {{ instance.prefix }}"
port = "{{ instance.port }}"
"""


class TestATable:
    def test_a_table_has_an_entry_for_each_instance_in_their_order(self, read):
        processes = read(BASE + TWO + SERVER).processes
        assert list(processes) == ["server-north", "server-south"]
        assert [process.port for process in processes.values()] == [8001, 8002]
        assert [process.instance for process in processes.values()] == ["north", "south"]

    def test_entries_for_each_instance_keep_their_place_among_others(self, read):
        before = '[processes.first]\ncommand = "x"\n'
        after = '[processes.last]\ncommand = "x"\n'
        names = list(read(BASE + TWO + before + SERVER + after).processes)
        assert names == ["first", "server-north", "server-south", "last"]

    def test_values_with_other_names_are_bound_to_their_instance_for_later(self, read):
        processes = read(BASE + TWO + SERVER).processes
        assert processes["server-south"].command == "serve --port {{ port }} --prefix {{ instances['south'].prefix }}"

    def test_a_name_that_only_looks_like_an_instance_is_left_alone(self, read):
        text = SERVER + 'environment = { A = "{{ app.instance }} {{ instance.name }} {{ instances | length }}" }'
        environment = read(BASE + TWO + text).processes["server-north"].environment
        assert environment == {"A": "{{ app.instance }} {{ instances['north'].name }} {{ instances | length }}"}

    def test_a_table_may_say_more_of_one_instance(self, read):
        special = '[processes.server-south]\ncount = 1\nstop_timeout = 90\ncommand = "other {{ instance.prefix }}"\n'
        for text in (SERVER + special, special + SERVER):
            processes = read(BASE + TWO + text).processes
            assert processes["server-south"].command == "other /S"
            assert processes["server-south"].stop_timeout == 90
            assert processes["server-south"].port == 8002
            assert processes["server-north"].stop_timeout == 30

    def test_instances_may_stand_in_names_and_values_of_any_depth(self, read):
        environment = read(
            BASE
            + TWO
            + SERVER
            + '[site]\ndomains = ["shop.test"]\nproxy = { "{{ instance.prefix }}/" = "server-{{ instance.name }}" }\n'
            + '[services.postgresql.databases."shop_{{ instance.name }}"]\npassword = "{{ secrets.DB }}"\n'
            + '[services.rabbitmq.users."shop_{{ instance.name }}"]\npassword = "{{ secrets.DB }}"\n'
            + '[env]\nrequired = ["DB"]\n'
        )
        assert environment.site.proxy == {"/N/": "server-north", "/S/": "server-south"}
        assert {name: each.owner for name, each in environment.services.postgresql.databases.items()} == {
            "shop_north": "shop_north",
            "shop_south": "shop_south",
        }
        assert [user.vhost for user in environment.services.rabbitmq.users.values()] == ["shop_north", "shop_south"]

    def test_an_entry_that_names_its_instance_itself_is_bound_to_it(self, read):
        text = '[processes.report]\ncommand = "report {{ instance.prefix }}"\ninstance = "south"\n'
        assert read(BASE + TWO + text).processes["report"].command == "report /S"


class TestAList:
    def test_a_list_has_an_item_for_each_instance_among_the_others(self, read):
        environment = read(BASE + TWO + '[persistent]\nfolders = ["a", "media/{{ instance.name }}", "b"]\n')
        assert environment.persistent.folders == ("a", "media/north", "media/south", "b")

    def test_a_list_of_tables_notes_whose_each_is(self, read):
        text = '[[files]]\npath = "/etc/shop/{{ instance.name }}.ini"\ntemplate = "shop.ini.j2"\n'
        files = read(BASE + TWO + text).files
        assert [(file.path, file.instance) for file in files] == [
            ("/etc/shop/north.ini", "north"),
            ("/etc/shop/south.ini", "south"),
        ]

    def test_a_list_within_an_entry_is_not_multiplied(self, read):
        text = (
            SERVER + '[processes."worker-{{ instance.name }}"]\ncommand = "x"\nafter = ["server-{{ instance.name }}"]\n'
        )
        processes = read(BASE + TWO + text).processes
        assert processes["worker-south"].after == ("server-south",)

    def test_a_list_of_migrations_may_be_a_single_text(self, read):
        environment = read(BASE + TWO + '[release]\nmigrate = "@{{ instance.name }} migrate"\n')
        assert environment.release.lines("migrate") == ["@north migrate", "@south migrate"]


class TestVariables:
    def test_variables_that_speak_of_an_instance_are_its_own(self, read):
        text = '[env.variables]\nMODE = "production"\nSETTINGS = "shop.{{ instance.name }}"\n'
        env = read(BASE + TWO + text).env
        assert env.shared == {"MODE": "production"}
        assert env.of_instances == {"SETTINGS": "shop.{{ instance.name }}"}


def test_a_file_without_instances_stays_as_it_is() -> None:
    table = {"processes": {"web": {"command": "x {{ socket }}"}}, "env": {"variables": {"A": "{{ app.name }}"}}}
    expansion = expand(table)
    assert (expansion.table, expansion.findings, expansion.origins) == (table, [], {})


def test_a_loop_over_a_name_of_its_own_speaks_of_no_instance() -> None:
    assert not mentions("{% for instance in instances.values() %}{{ instance.prefix }}{% endfor %}")
    assert mentions("{{ instance.prefix }}")
    assert not mentions("an instance of {braces}")


@pytest.mark.parametrize(
    ("line", "parts"),
    [("make", ("", "make")), ("@north  make all", ("north", "make all")), ("echo @north", ("", "echo @north"))],
)
def test_a_command_may_ask_for_the_variables_of_an_instance(line: str, parts: tuple[str, str]) -> None:
    assert instance_of(line) == parts


# what is written -> (the key of the file, message, hint)
MISTAKES = {
    "a value in an entry for each instance is reported where the entry stands": (
        TWO + SERVER + "stop_timeout = 0",
        'processes."server-{{ instance.name }}".stop_timeout',
        "must be at least 1, not 0",
        "",
    ),
    "a contradiction in an entry for each instance is reported where the entry stands": (
        TWO + SERVER + 'after = ["nothing"]',
        'processes."server-{{ instance.name }}".after[0]',
        "there is no process 'nothing'",
        "processes: server-north, server-south",
    ),
    "a mistake in what is said of one instance is reported there": (
        TWO + SERVER + "[processes.server-south]\nstop_timeout = 0",
        "processes.server-south.stop_timeout",
        "must be at least 1, not 0",
        "",
    ),
    "an item after one for each instance keeps its number": (
        TWO + '[persistent]\nfolders = ["x/{{ instance.name }}", "/y"]',
        "persistent.folders[1]",
        "'/y' is an absolute path",
        "write it without the leading / or ~",
    ),
    "a value that no instance has": (
        TWO + SERVER.replace("instance.prefix", "instance.prefx"),
        'processes."server-{{ instance.name }}".command',
        "the instance north has no value 'prefx'",
        "did you mean prefix?",
    ),
    "a value that one instance lacks": (
        TWO.replace('prefix = "/S"\n', "") + SERVER,
        'processes."server-{{ instance.name }}".command',
        "the instance south has no value 'prefix'",
        "values: port, name",
    ),
    "an instance that nothing names": (
        TWO + '[processes.server]\ncommand = "x {{ instance.prefix }}"',
        "processes.server.command",
        "speaks of an instance, and nothing says of which one",
        'say it in the name, as in [processes."web-{{ instance.name }}"], or add instance = "…"',
    ),
    "instances where there are none": (
        SERVER,
        'processes."server-{{ instance.name }}"',
        "speaks of instances, and there is none",
        "add [instances.NAME]",
    ),
    "a variable of instances where there are none": (
        '[env.variables]\nA = "{{ instance.name }}"',
        "env.variables.A",
        "speaks of instances, and there is none",
        "add [instances.NAME]",
    ),
    "a name that is the same for all instances": (
        TWO.replace("/S", "/N") + '[processes."p{{ instance.prefix | length }}"]\ncommand = "x"',
        'processes."p{{ instance.prefix | length }}"',
        "is p2 for more than one instance",
        "use {{ instance.name }}",
    ),
    "an instance without a value": (
        TWO + '[processes."p-{{ instance }}"]\ncommand = "x"',
        'processes."p-{{ instance }}"',
        "says instance alone",
        "as in {{ instance.name }}",
    ),
    "a name of its own for an instance": (
        TWO + '[instances.west]\nname = "West"\nprefix = "/W"\nport = 8003',
        "instances.west.name",
        "is west, whatever stands here",
        "as in title",
    ),
    "an instance that is not there": (
        TWO + '[processes.report]\ncommand = "x"\ninstance = "nort"',
        "processes.report.instance",
        "there is no instance 'nort'",
        "did you mean north?",
    ),
    "a command for an instance that is not there": (
        TWO + '[release]\nbuild = ["@nort make"]',
        "release.build[0]",
        "there is no instance 'nort'",
        "did you mean north?",
    ),
    "a migration of nobody's database": (
        TWO + '[env.variables]\nDB = "{{ instance.name }}"\n[release]\nmigrate = "migrate"',
        "release.migrate",
        "would run without the variables of any instance",
        "for each of them: @{{ instance.name }} migrate",
    ),
    "a log that lies where the application could put a link": (
        '[persistent]\nfolders = ["log/shop"]\n[processes.p]\ncommand = "x"\noutput = "log/shop/p.log"',
        "processes.p.output",
        "log/shop is one of persistent.folders, which belong to the application's user",
        "choose another folder",
    ),
    "a log elsewhere": (
        '[processes.p]\ncommand = "x"\noutput = "data/p.log"',
        "processes.p.output",
        "'data/p.log' is not allowed here",
        "as in log/web.log",
    ),
    "an early file of the code": (
        "[[files]]\npath = 'a'\ncontent = 'b'\nearly = true",
        "files[0].early",
        "is for a file outside of the code",
        "what lies in the code is always written before the build",
    ),
    "a nightly restart of a process that could be replaced without an interruption": (
        '[processes.p]\ncommand = "x {{ socket }}"\nrestart_at = "@daily"',
        "processes.p.restart_at",
        "would take a process with a socket away for a moment",
        "fab restart replaces it without an interruption",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_reported_under_the_key_that_the_user_wrote(name, write) -> None:
    text, key, message, hint = MISTAKES[name]
    with pytest.raises(InputErrors) as caught:
        read_environment(write(BASE + text))
    (problem,) = caught.value.problems
    assert (problem.key, problem.message, problem.hint) == (key, message, hint)


def test_a_mistake_is_reported_in_the_file_that_made_it(write) -> None:
    write(BASE + TWO + SERVER, name="base")
    path = write('extends = "base.toml"\n[processes."server-{{ instance.name }}"]\nstop_timeout = 0\n')
    with pytest.raises(InputErrors) as caught:
        read_environment(path)
    assert [(each.file, each.key) for each in caught.value.problems] == [
        ("hosts/shop.toml", 'processes."server-{{ instance.name }}".stop_timeout')
    ]


def test_a_key_is_named_as_the_user_wrote_it_when_a_value_cannot_be_rendered(read) -> None:
    environment = read(BASE + TWO + SERVER + "[processes.server-south]\nstop_timeout = 9\n")
    assert environment.user_key("processes.server-north.command") == 'processes."server-{{ instance.name }}".command'
    assert environment.user_key("processes.server-south.stop_timeout") == "processes.server-south.stop_timeout"
    assert environment.user_key("processes.server-southern.command") == "processes.server-southern.command"
