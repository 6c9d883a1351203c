"""How Django is asked for its plan, and what each kind of migration means for the code that runs meanwhile."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from hawser.fleet.migration_risk import SCRIPT, Verdict, judge, places_of, questions, summaries
from hawser.runner.code.operations import ADDITIVE, BREAKING, UNCLASSIFIED


def operation(kind: str, model: str = "Order", module: str = "django.db.migrations.operations", **more: Any) -> Any:
    return {"kind": kind, "module": module, "reversible": True, "model": model, "text": kind, "empty": False, **more}


def migration(*operations: Any, key: str = "shop.0002_x") -> Any:
    return {"key": key, "app": "shop", "operations": list(operations)}


def kind_of(*operations: Any) -> str:
    (verdict,) = judge([migration(*operations)])
    return verdict.kind


@pytest.mark.parametrize(
    ("command", "words", "instance", "database"),
    [
        ("python manage.py migrate --noinput", ("python", "manage.py", "shell"), "", "default"),
        ("python source/manage.py migrate", ("python", "source/manage.py", "shell"), "", "default"),
        ("django-admin migrate -v 2", ("django-admin", "shell"), "", "default"),
        ("python -m django migrate", ("python", "-m", "django", "shell"), "", "default"),
        ("@turkey python manage.py migrate", ("python", "manage.py", "shell"), "turkey", "default"),
        ("python manage.py migrate --database=stats", ("python", "manage.py", "shell"), "", "stats"),
        ("python manage.py migrate --noinput >> log 2>&1", ("python", "manage.py", "shell"), "", "default"),
        ("python manage.py migrate>/dev/null;", ("python", "manage.py", "shell"), "", "default"),
        (
            "python manage.py migrate --settings shop.live",
            ("python", "manage.py", "shell", "--settings=shop.live"),
            "",
            "default",
        ),
        ("A=1 python manage.py migrate", ("env", "A=1", "python", "manage.py", "shell"), "", "default"),
        ("exec ./manage.py migrate", ("./manage.py", "shell"), "", "default"),
    ],
)
def test_a_command_that_migrates_with_django_is_known(command, words, instance, database):
    (found,) = questions(command)
    assert found.words == (*words, "-c", SCRIPT)
    assert (found.instance, found.database) == (instance, database)


@pytest.mark.parametrize(
    "command",
    [
        "flask db upgrade",
        "alembic upgrade head",
        "true && python manage.py migrate",
        "python manage.py migrate shop 0003",
        "python manage.py migrate --data=stats",
        "python manage.py syncdb",
        "rake migrate",
        "python 'manage.py migrate",
        "python manage.py migrate --noinput && python scripts/drop_old.py",
        "python manage.py migrate --noinput&&./drop_old",
        "python manage.py migrate; flask db upgrade",
        "python manage.py migrate || true",
        "python manage.py migrate | tee log",
        "python manage.py migrate & ./drop_old",
        "(python manage.py migrate)",
        "python manage.py migrate > >(./drop_old)",
        "python manage.py migrate --database=$(./drop_old)",
        "python manage.py migrate --database=`./drop_old`",
        "python manage.py migrate << -x",
        "python manage.py migrate --settings=$SETTINGS",
        "~/venv/bin/python manage.py migrate",
        "python manage.py migrate && cd tools && ./manage.py migrate",
        "",
    ],
)
def test_a_command_that_is_no_plain_migrate_of_django_is_not_known(command):
    assert questions(command) == ()


def test_a_command_in_a_subfolder_is_asked_there():
    one, other = questions("@turkey cd backend && ./manage.py migrate && python manage.py migrate --database stats")
    assert (one.folder, one.words[0], other.folder, other.database) == ("backend", "./manage.py", "backend", "stats")
    assert one.program == "cd backend && ./manage.py"


@pytest.mark.parametrize("between", [" && ", "&&", "; ", " 2>&1 && "])
def test_commands_that_all_migrate_with_django_are_asked_for_one_by_one(between):
    found = questions(f"@turkey python manage.py migrate --noinput{between}python manage.py migrate --database legacy")
    assert [(each.instance, each.database) for each in found] == [("turkey", "default"), ("turkey", "legacy")]


def test_questions_are_told_apart_by_what_differs_between_them():
    one, other = questions("python manage.py migrate && python manage.py migrate --database stats")
    (turkey,) = questions("@turkey python manage.py migrate")
    (live,) = questions("python manage.py migrate --settings live")
    assert places_of([one]) == [""]
    assert places_of([one, other]) == ["database default", "database stats"]
    assert places_of([one, turkey]) == ["no instance", "instance turkey"]
    assert places_of([one, live]) == ["`python manage.py`", "`python manage.py --settings=live`"]
    assert places_of([other, turkey]) == ["database stats of no instance", "database default of instance turkey"]


def test_a_risk_that_is_the_same_in_several_databases_is_told_once():
    same = [Verdict("shop.0002", ADDITIVE, place=place) for place in ("database a", "database b")]
    harm = Verdict("shop.0003", BREAKING, ("removes shop.Order",), place="database a")
    assert summaries([same[0], harm, same[1]]) == [
        "shop.0002 in database a, database b: additive",
        "shop.0003 in database a: breaking (removes shop.Order)",
    ]


@pytest.mark.parametrize(
    "row",
    [
        operation("CreateModel"),
        operation("AddIndex"),
        operation("AlterModelOptions"),
        operation("RemoveConstraint"),
        operation("AddField", field="note", fills_itself=True),
        operation("AlterField", field="note", alters=[]),
        operation("AlterUniqueTogether", empty=True),
        operation("HStoreExtension", "hstore", "django.contrib.postgres.operations"),
        operation("RunPython", "", noop=True),
    ],
    ids=lambda row: row["kind"],
)
def test_a_migration_that_only_adds_may_roll(row):
    assert kind_of(row) == ADDITIVE


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (operation("RemoveField"), "removes a field of shop.Order"),
        (operation("DeleteModel"), "removes shop.Order"),
        (operation("RenameField"), "renames a field of shop.Order"),
        (operation("RenameModel"), "renames shop.Order"),
        (operation("AlterModelTable"), "renames the table of shop.Order"),
        (operation("AlterOrderWithRespectTo"), "adds or removes the column _order of shop.Order"),
        (operation("AddConstraint"), "restricts what shop.Order may hold"),
        (operation("AlterUniqueTogether"), "restricts what shop.Order may hold"),
        (operation("AddField", field="note", fills_itself=False), "the code that runs does not fill shop.Order.note"),
        (operation("AlterField", field="note", alters=["null"]), "changes shop.Order.note: null"),
    ],
    ids=lambda row: row["kind"] if isinstance(row, dict) else "",
)
def test_a_migration_may_not_remove_or_change_what_running_code_uses(row, why):
    (verdict,) = judge([migration(row)])
    assert (verdict.kind, verdict.reasons) == (BREAKING, (why,))


@pytest.mark.parametrize(
    "row",
    [
        operation("RunPython", ""),
        operation("RunSQL", ""),
        operation("MoveMoney", "", "shop.operations"),
        operation("SomethingNew", "Order"),
    ],
    ids=lambda row: row["kind"],
)
def test_a_migration_that_nobody_can_judge_is_unclassified(row):
    assert kind_of(row) == UNCLASSIFIED


def test_a_table_that_the_same_plan_makes_is_nobodys_yet():
    first = migration(operation("CreateModel", "Coupon"), key="shop.0002")
    second = migration(operation("RemoveField", "coupon"), operation("RunSQL", ""), key="shop.0003")
    assert [verdict.kind for verdict in judge([first, second])] == [ADDITIVE, UNCLASSIFIED]
    assert kind_of(operation("RemoveField", "coupon")) == BREAKING


def test_only_the_part_for_the_database_counts_of_a_split_operation():
    harmless = operation("SeparateDatabaseAndState", "", inner=[])
    harmful = operation("SeparateDatabaseAndState", "", inner=[operation("AddIndex"), operation("RemoveField")])
    assert (kind_of(harmless), kind_of(harmful)) == (ADDITIVE, BREAKING)


def test_the_worst_operation_counts_and_all_reasons_are_told():
    (verdict,) = judge([migration(operation("RunSQL", ""), operation("DeleteModel"))])
    assert str(verdict) == "shop.0002_x: breaking (RunSQL: RunSQL; removes shop.Order)"


def test_a_migration_can_be_reversed_when_all_its_operations_can():
    rows = (operation("AddIndex"), operation("RunPython", "", reversible=False))
    assert [verdict.reversible for verdict in judge([migration(rows[0]), migration(*rows)])] == [True, False]


class TestADjangoBefore1_10:
    def test_an_old_django_is_asked_where_an_interpreter_and_a_file_are_named(self):
        (asked,) = questions("@turkey python manage.py migrate --noinput --settings=shop.settings")
        interpreter, flag, script, *rest = asked.otherwise
        assert (interpreter, flag, rest) == ("python", "-c", ["manage.py", "--settings=shop.settings"])
        compile(script, "script", "exec")

    @pytest.mark.parametrize(
        ("command", "interpreter", "program"),
        [
            ("./manage.py migrate", ["python"], ["./manage.py"]),
            ("django-admin migrate --settings shop", ["python"], ["django-admin", "--settings=shop"]),
            ("env/bin/python -W error -m django migrate", ["env/bin/python", "-W", "error"], ["django"]),
            ("A=1 python2.7 -u manage.py migrate", ["env", "A=1", "python2.7", "-u"], ["manage.py"]),
            ("A=1 ./manage.py migrate", ["env", "A=1", "python"], ["./manage.py"]),
        ],
    )
    def test_an_old_django_is_asked_by_the_interpreter_that_the_command_has(self, command, interpreter, program):
        (asked,) = questions(command)
        place = asked.otherwise.index("-c")
        assert list(asked.otherwise[:place]) == interpreter and list(asked.otherwise[place + 2 :]) == program

    def test_an_old_django_is_not_asked_where_nobody_knows_its_interpreter(self):
        (asked,) = questions("tools/wrapper manage.py migrate")
        assert asked.otherwise == ()

    def test_an_old_django_runs_the_script_in_place_of_the_command(self, tmp_path):
        """With a package in Django's place that has what manage.py and the script use of it."""
        for path, text in {
            "django/__init__.py": "import os\nVERSION = (1, 8)\n"
            "def setup():\n    print('with', os.environ['DJANGO_SETTINGS_MODULE'])\n",
            "django/core/__init__.py": "",
            "django/core/management.py": "def execute_from_command_line(argv):\n    raise SystemExit('ran')\n",
            "code/manage.py": "import helper, sys\nfrom django.core.management import execute_from_command_line\n"
            "if __name__ == '__main__':\n    execute_from_command_line(sys.argv)\n",
            "code/helper.py": "",
        }.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        (asked,) = questions("python code/manage.py migrate --settings=shop")
        argv = [word.replace(repr(SCRIPT), repr("print('asked')")) for word in asked.otherwise]
        said = subprocess.run(
            [sys.executable, *argv[1:]], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
        )
        assert (said.stdout, said.stderr) == ("with shop\nasked\n", "")
