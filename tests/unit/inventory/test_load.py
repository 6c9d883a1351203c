from __future__ import annotations

import copy
import re
import time
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from hawser.errors import InputErrors, Problem, UnknownTarget
from hawser.inventory import load_inventory, read_environment
from hawser.inventory.instances import expand
from hawser.inventory.lookup import entry_type, keys_of, model_at
from hawser.inventory.schema import Environment

EXAMPLE = Path(__file__).parents[3] / "hosts/example.toml"
BASE = """
[app]
name = "shop"
repo = "https://git.example.org/shop.git"
[env.variables]
A = "base"
B = "base"
[processes.web]
command = "gunicorn --bind unix:{{ socket }}"
[site]
domains = ["base.test"]
"""
LISTS = """
[[files]]
path = "/etc/a.conf"
content = "a"
[[files]]
path = "/etc/b.conf"
content = "b"
[[firewall.rules]]
ports = [80]
[[firewall.rules]]
ports = [443]
"""


def paths(table):
    """Yield the path of every key in a table, and of those in the tables and lists below it."""
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        if isinstance(table, dict):
            yield (key,)
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            yield from ((key, *rest) for rest in paths(value))


def problems_of(path: Path) -> list[Problem]:
    with pytest.raises(InputErrors) as caught:
        read_environment(path)
    return list(caught.value.problems)


class TestAFolder:
    def test_a_folder_holds_one_environment_a_file_and_the_example_is_none(self, folder, write):
        for name in ("shop", "blog", "example", ".#shop"):
            write(name=name)
        (folder / "notes.txt").touch()
        assert load_inventory(folder).names == ("blog", "shop")

    def test_a_folder_that_does_not_exist_is_named(self, tmp_path):
        with pytest.raises(InputErrors, match="nowhere: no such folder"):
            load_inventory(tmp_path / "nowhere")

    def test_a_folder_of_environments_may_be_empty(self, folder):
        assert load_inventory(folder).names == ()

    def test_an_unknown_environment_is_answered_with_the_nearest(self, folder, write):
        write(name="production")
        with pytest.raises(UnknownTarget) as caught:
            load_inventory(folder).environment("prodction")
        assert str(caught.value) == "unknown environment 'prodction' (did you mean production?)"
        assert caught.value.code == 2

    def test_a_default_environment_that_does_not_exist_is_none(self, folder, write):
        write()
        assert load_inventory(folder, "demo").default is None
        assert load_inventory(folder, "shop").default == "shop"

    def test_an_environment_file_is_read_once(self, folder, write):
        write()
        inventory = load_inventory(folder)
        assert inventory.environment("shop") is inventory.environment("shop")

    def test_fifty_environment_files_are_searched_in_no_noticeable_time(self, folder, write):
        text = EXAMPLE.read_text()
        for number in range(50):
            write(text.replace("web1", f"web{number}x"), f"shop{number}")
        inventory = load_inventory(folder, "shop7")
        start = time.process_time()
        assert inventory.select(["web7x"]).hosts == ("web7x",)
        assert time.process_time() - start < 0.25


class TestAFileThatCannotBeRead:
    def test_a_file_that_is_no_toml_is_named_with_line_and_column(self, write):
        path = write('[app]\nname = "shop"\nrepo  "x"\n')
        assert problems_of(path) == [
            Problem("hosts/shop.toml:3:7", "", "is not TOML: expected '=' after a key in a key/value pair")
        ]

    def test_a_file_that_ends_too_early_is_named_with_its_end(self, write):
        assert [problem.file for problem in problems_of(write("[app"))] == ["hosts/shop.toml: end of the file"]

    def test_a_file_that_is_no_utf8_is_named_with_the_byte(self, write):
        path = write()
        path.write_bytes(b"# \xff")
        assert problems_of(path) == [Problem("hosts/shop.toml", "", "is not UTF-8 (byte 2)")]

    def test_a_folder_in_place_of_a_file_is_named(self, folder):
        (folder / "shop.toml").mkdir()
        assert problems_of(folder / "shop.toml") == [Problem("hosts/shop.toml", "", "cannot be read: is a directory")]

    def test_a_file_whose_name_cannot_be_an_environments_is_named(self, write):
        assert problems_of(write(name="shop.eu"))[0].message == "'shop.eu' cannot be the name of an environment"

    def test_a_file_that_cannot_be_read_does_not_disturb_another_environment(self, folder, write):
        write("[", name="broken")
        write()
        assert load_inventory(folder, "shop").select(["shop"]).hosts == ("web1",)
        assert load_inventory(folder, "shop").select(["web1"]).hosts == ("web1",)
        assert load_inventory(folder, "broken").select(["shop"]).hosts == ("web1",)


class TestExtends:
    def test_extends_merges_tables_and_the_extending_file_wins(self, write):
        write(BASE, "base")
        path = write(
            'extends = "base.toml"\n[env.variables]\nB = "mine"\nC = "mine"\n[site]\ndomains = ["a.test"]\n[hosts.web1]'
        )
        environment = read_environment(path)
        assert environment.env.variables == {"A": "base", "B": "mine", "C": "mine"}
        assert environment.site.domains == ("a.test",)

    def test_extends_reaches_over_several_files(self, write):
        write(BASE, "base")
        write('extends = "base.toml"\n[site]\nlisten = 8080', "middle")
        environment = read_environment(write('extends = "middle.toml"\n[hosts.web1]'))
        assert (environment.site.listen, environment.site.domains) == (8080, ("base.test",))

    def test_extends_reaches_into_a_folder_beside_the_file(self, folder, write):
        (folder / "bases").mkdir()
        (folder / "bases/base.toml").write_text('extends = "more.toml"')
        (folder / "bases/more.toml").write_text(BASE)
        assert read_environment(write('extends = "bases/base.toml"\n[hosts.web1]')).app.name == "shop"

    def test_a_mistake_in_an_extended_file_is_named_with_that_file(self, write):
        write(BASE + "max_bod = '1m'\n[cron.x]\nschedule = '@dayly'\ncommand = 'x'", "base")
        path = write('extends = "base.toml"\n[site]\nlistn = 80\n[cron.x]\ncommand = "y"\n[hosts.web1]')
        assert [(problem.file, problem.key) for problem in problems_of(path)] == [
            ("hosts/base.toml", "cron.x.schedule"),
            ("hosts/base.toml", "site.max_bod"),
            ("hosts/shop.toml", "site.listn"),
        ]

    def test_an_extending_file_changes_one_key_of_an_entry_of_a_list(self, write):
        write(BASE + LISTS, "base")
        environment = read_environment(
            write(
                'extends = "base.toml"\n[files."/etc/b.conf"]\nmode = "0600"\n[firewall.rules.2]\nports = [8443]\n'
                "[hosts.web1]"
            )
        )
        first, second = environment.files
        assert (first.content, second.content) == ("a", "b")
        assert second.mode == 0o600 != first.mode
        assert [rule.ports for rule in environment.firewall.rules] == [(80,), (8443,)]

    def test_an_extending_file_takes_an_entry_of_a_list_away(self, write):
        write(BASE + LISTS, "base")
        environment = read_environment(write('extends = "base.toml"\nfiles."/etc/a.conf" = false\n[hosts.web1]'))
        assert [file.path for file in environment.files] == ["/etc/b.conf"]

    @pytest.mark.parametrize(
        ("name", "message", "hint"),
        [
            ("/etc/c.conf", "names no entry of the list that this file extends", "did you mean /etc/b.conf?"),
            ("3", "names no entry of the list that this file extends", "an entry's path, or its place: 1 to 2"),
            ("0", "names no entry of the list that this file extends", "an entry's path, or its place: 1 to 2"),
        ],
    )
    def test_a_change_of_an_entry_that_is_not_there_is_refused(self, write, name, message, hint):
        write(BASE + LISTS, "base")
        path = write(f'extends = "base.toml"\n[files."{name}"]\nmode = "0600"\n[hosts.web1]')
        (problem,) = problems_of(path)
        assert (problem.file, problem.message, problem.hint) == ("hosts/shop.toml", message, hint)

    @pytest.mark.parametrize("change", ["true", '"0600"', "[]"])
    def test_of_an_entry_by_no_table_is_refused(self, write, change):
        write(BASE + LISTS, "base")
        (problem,) = problems_of(write(f'extends = "base.toml"\nfiles."/etc/b.conf" = {change}\n[hosts.web1]'))
        assert (problem.file, problem.key) == ("hosts/shop.toml", 'files."/etc/b.conf"')
        assert (problem.message, problem.hint) == (
            "must be a table that changes the entry of a list",
            "false takes the entry away",
        )

    def test_a_change_of_one_of_two_entries_with_the_same_path_wants_its_place(self, write):
        twice = LISTS + '[[patches]]\npath = "a"\nold = "1"\nnew = "2"\n[[patches]]\npath = "a"\nold = "3"\nnew = "4"\n'
        write(BASE + twice, "base")
        (problem,) = problems_of(write('extends = "base.toml"\n[patches.a]\nnew = "5"\n[hosts.web1]'))
        assert (problem.message, problem.hint) == ("2 entries have this name", "say its place: 1 or 2")
        environment = read_environment(write('extends = "base.toml"\n[patches.2]\nnew = "5"\n[hosts.web1]'))
        assert [patch.new for patch in environment.patches] == ["2", "5"]

    def test_a_file_that_changes_an_entry_wrongly_is_named(self, write):
        write(BASE + LISTS, "base")
        path = write('extends = "base.toml"\n[files."/etc/b.conf"]\nmod = "0600"\n[hosts.web1]')
        assert [(problem.file, problem.key) for problem in problems_of(path)] == [("hosts/shop.toml", "files[1].mod")]

    def test_a_file_that_extends_itself_is_refused(self, write):
        path = write('extends = "shop.toml"')
        assert problems_of(path) == [
            Problem("hosts/shop.toml", "extends", "extends itself: hosts/shop.toml -> hosts/shop.toml")
        ]

    def test_files_that_extend_each_other_in_a_circle_are_refused(self, write):
        write('extends = "shop.toml"', "base")
        path = write('extends = "base.toml"')
        message = "extends itself: hosts/shop.toml -> hosts/base.toml -> hosts/shop.toml"
        assert problems_of(path) == [Problem("hosts/base.toml", "extends", message)]

    def test_a_file_that_extends_one_that_is_not_there_is_refused(self, write):
        path = write('extends = "base.toml"')
        message = "cannot read hosts/base.toml: no such file or directory"
        assert problems_of(path) == [Problem("hosts/shop.toml", "extends", message)]

    @pytest.mark.parametrize("value", ["5", '"base"', '["base.toml"]'])
    def test_a_file_that_extends_something_that_is_no_file_is_refused(self, write, value):
        hint = 'as in extends = "base.toml"'
        assert problems_of(write(f"extends = {value}")) == [
            Problem("hosts/shop.toml", "extends", "must be the name of a TOML file", hint)
        ]

    @pytest.mark.parametrize("value", ["../base.toml", "/etc/base.toml"])
    def test_a_file_that_extends_one_elsewhere_is_refused(self, write, value):
        assert problems_of(write(f"extends = '{value}'")) == [
            Problem("hosts/shop.toml", "extends", f"'{value}' lies outside of hosts")
        ]


class TestTheExample:
    def test_the_example_is_a_valid_environment(self):
        environment = read_environment(EXAMPLE)
        assert Environment.model_validate(environment.model_dump(mode="json")) == environment

    def test_what_a_release_keeps_is_read_again_whichever_key_nobody_has_set(self):
        whole = {**expand(tomllib.loads(EXAMPLE.read_text())).table, "name": "example"}
        read = 0
        for *tables, last in paths(whole):
            settings = copy.deepcopy(whole)
            table = settings
            for part in tables:
                table = table[part]
            del table[last]
            try:
                environment = Environment.model_validate(settings)
            except ValidationError:
                # It must be there.
                continue
            read += 1
            assert Environment.model_validate(environment.model_dump(mode="json")) == environment, (*tables, last)
        assert read > 200

    def test_the_example_shows_every_setting_in_its_table(self):
        missing = sorted(_settings(Environment, ()) - _shown(EXAMPLE.read_text()))
        assert missing == []

    def test_the_example_shows_the_tables_in_the_order_of_the_schema(self):
        headings = re.findall(r"^\[+([a-z_]+)", EXAMPLE.read_text(), re.MULTILINE)
        assert list(dict.fromkeys(headings)) == list(keys_of(Environment))

    @pytest.mark.parametrize(
        ("line", "instead_of"),
        [
            ('# requirements = ["requirements/production.txt"]', ("lock", "extras", "groups")),
            ("# port = 8001", ("socket", "command")),
            ('# template = "features.json.j2"', ("content",)),
        ],
    )
    def test_the_example_is_still_valid_with_a_commented_setting_instead_of_another(self, write, line, instead_of):
        before, found, after = EXAMPLE.read_text().partition(line)
        table = before.rindex("\n[")
        beside = before[table:] + found.removeprefix("# ") + after[: after.index("\n[")]
        for key in instead_of:
            beside = re.sub(rf"^{key} = .*$", 'command = "x"' if key == "command" else "", beside, flags=re.MULTILINE)
        read_environment(write(before[:table] + beside + after[after.index("\n[") :]))


def _settings(model, loc):
    """Return every key of the schema with the table it stands in, where a name of the user's stands for itself as *."""
    found = set()
    for key in keys_of(model):
        for below in ((*loc, key), (*loc, key, "x"), (*loc, key, 0)):
            if (inner := model_at(Environment, below)) is not None:
                found |= _settings(inner, below)
                break
        else:
            found.add(".".join([part for part in loc if part not in ("x", 0)] + [key]))
    return found


def inner_keys(key, line):
    return {f"{key}.{inner}" for inner in re.findall(r"[{,] ([a-z_]+) =", line)}


def _shown(text):
    """Return every key that a text shows, commented or not, without the names that are the user's."""
    found, table, last = set(), "", ""
    for line in text.splitlines():
        if heading := re.match(r"\[+([a-z0-9_.]+)\]", line):
            parts = heading[1].split(".")
            # A name of the user's comes second, but among the services.
            field = keys_of(Environment).get(parts[0])
            named = 3 if parts[0] == "services" else 1 if field and entry_type(field.annotation) else len(parts)
            table = ".".join(part for position, part in enumerate(parts) if position != named)
            found |= {table} | {table.rpartition(".")[0]}
        elif key := re.match(r"(?:# )?([a-z0-9_]+) = ", line):
            last = f"{table}.{key[1]}"
            found |= {last, *inner_keys(last, line)}
        elif line.startswith("  {"):
            # An item of a list that began above.
            found |= inner_keys(last, line)
    return found
