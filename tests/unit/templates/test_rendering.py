from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hawser.templates.rendering import BUILT_IN, TemplateError, Templates, folders


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(path: str, text: str) -> Path:
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    return write


@pytest.fixture
def templates(tmp_path: Path) -> Templates:
    (tmp_path / "hosts").mkdir()
    return Templates(folders(tmp_path / "hosts", "shop"))


@pytest.fixture
def complain(templates: Templates) -> Callable[..., str]:
    def complain(name: str, /, **context: object) -> str:
        with pytest.raises(TemplateError) as caught:
            templates.file(name, context)
        return str(caught.value.problem)

    return complain


class TestLookUp:
    def test_a_template_nearer_to_the_environment_comes_first(self, tmp_path, write):
        places = [
            "hosts/conf_templates/shop/run.sh.j2",
            "hosts/conf_templates/run.sh.j2",
            "conf_templates/shop/run.sh.j2",
            "conf_templates/run.sh.j2",
        ]
        for place in places:
            write(place, place)
        for place in places:
            found = Templates(folders(tmp_path / "hosts", "shop")).file("run.sh.j2", {})
            assert found == place
            (tmp_path / place).unlink()
        assert Templates(folders(tmp_path / "hosts", "shop")).jinja.get_template("run.sh.j2")

    def test_a_team_replaces_one_of_our_templates_and_keeps_the_others(self, write, templates):
        write("hosts/conf_templates/run.sh.j2", "theirs")
        assert templates.file("run.sh.j2", {}) == "theirs"
        assert templates.jinja.get_template("cron.j2")

    def test_the_template_of_an_environment_is_for_no_other(self, tmp_path, write):
        write("hosts/conf_templates/other/run.sh.j2", "theirs")
        (ours,) = [text for name, text in ours_used(folders(tmp_path / "hosts", "shop")) if name == "run.sh.j2"]
        assert ours == (BUILT_IN / "run.sh.j2").read_text()

    def test_a_folder_of_templates_stands_in_the_list_once(self):
        found = folders(BUILT_IN.parent / "hosts", "shop")
        assert len(set(found)) == len(found) == 4

    def test_an_included_template_is_looked_up_in_the_same_way(self, write, templates):
        write("hosts/conf_templates/whole.j2", "a {% include 'part.j2' %} c")
        write("hosts/conf_templates/shop/part.j2", "b")
        assert templates.file("whole.j2", {}) == "a b c"


def ours_used(paths: tuple[Path, ...]) -> list[tuple[str, str]]:
    templates = Templates(paths)
    templates.jinja.get_template("run.sh.j2")
    return list(templates.used.items())


class TestKept:
    def test_kept_templates_come_before_every_folder(self, write, templates, tmp_path):
        write("hosts/conf_templates/run.sh.j2", "today's")
        kept = Templates(folders(tmp_path / "hosts", "shop"), kept={"run.sh.j2": "kept"})
        assert kept.file("run.sh.j2", {}) == "kept"

    def test_a_template_that_was_not_kept_is_ours(self):
        assert Templates(kept={"old.j2": "x"}).jinja.get_template("cron.j2")

    def test_a_template_of_another_environment_is_not_to_be_had(self):
        other = next(path for path in BUILT_IN.glob("*/*.j2"))
        with pytest.raises(TemplateError, match="there is no such template"):
            Templates(kept={"old.j2": "{% include '" + str(other.relative_to(BUILT_IN)) + "' %}"}).file("old.j2", {})

    def test_each_template_that_was_used_is_remembered_and_no_other(self, write, templates):
        write("hosts/conf_templates/a.j2", "{% include 'b.j2' %}")
        write("hosts/conf_templates/b.j2", "{{ name }}")
        write("hosts/conf_templates/c.j2", "c")
        templates.file("a.j2", {"name": "web1"})
        assert templates.used == {"a.j2": "{% include 'b.j2' %}", "b.j2": "{{ name }}"}

    def test_remembered_templates_render_the_same(self, write, templates):
        write("hosts/conf_templates/a.j2", "{% include 'b.j2' %}\n")
        write("hosts/conf_templates/b.j2", "{{ name }}\n")
        first = templates.file("a.j2", {"name": "web1"})
        assert Templates(kept=templates.used).file("a.j2", {"name": "web1"}) == first


class TestMistakes:
    def test_a_template_that_is_missing_is_named(self, complain):
        assert complain("nothing.j2") == "conf_templates/nothing.j2: there is no such template"

    def test_an_included_template_that_is_missing_is_named(self, write, complain):
        write("hosts/conf_templates/a.j2", "{% include 'nothing.j2' %}")
        assert complain("a.j2") == "conf_templates/nothing.j2: there is no such template"

    def test_a_variable_that_is_missing_in_a_template_is_named(self, write, complain):
        write("hosts/conf_templates/a.j2", "{{ nmae }}")
        assert complain("a.j2", name="web1") == "conf_templates/a.j2: 'nmae' is undefined"

    def test_a_key_that_is_missing_in_a_template_is_named(self, write, complain):
        write("hosts/conf_templates/a.j2", "{{ host.slots }}")
        assert complain("a.j2", host={}) == "conf_templates/a.j2: 'dict object' has no attribute 'slots'"

    def test_a_malformed_line_of_a_template_is_named(self, write, complain):
        write("hosts/conf_templates/a.j2", "one\n{% if %}\n")
        assert complain("a.j2").startswith("conf_templates/a.j2: line 2: ")

    def test_a_malformed_line_of_an_included_template_is_named(self, write, complain):
        write("hosts/conf_templates/a.j2", "{% include 'b.j2' %}")
        write("hosts/conf_templates/b.j2", "one\ntwo\n{{ }}\n")
        assert complain("a.j2").startswith("conf_templates/b.j2: line 3: ")

    def test_a_filter_that_does_not_exist_is_named(self, write, complain):
        write("hosts/conf_templates/a.j2", "{{ name | shel }}")
        assert complain("a.j2", name="x") == "conf_templates/a.j2: line 1: No filter named 'shel'."

    @pytest.mark.parametrize("text", ["{{ 1 / 0 }}", "{{ 'a' + 1 }}", "{{ [1] | join(2, 3, 4) }}"])
    def test_a_calculation_that_fails_in_a_template_is_named(self, write, complain, text):
        write("hosts/conf_templates/a.j2", text)
        assert complain("a.j2", name="x").startswith("conf_templates/a.j2: ")


class TestValues:
    def test_a_value_without_a_brace_is_taken_as_it_is(self, templates):
        assert templates.value("100% #plain", {}, "shop.toml", "key") == "100% #plain"

    def test_each_rendering_has_its_own_context(self, templates):
        rendered = [templates.value("{{ name }}", {"name": name}, "shop.toml", "key") for name in ("web1", "web2")]
        assert rendered == ["web1", "web2"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{{ secrets.KYE }}", "'dict object' has no attribute 'KYE'"),
            ("{{ nothing }}", "'nothing' is undefined"),
            ("{{ nothing.more }}", "'nothing' is undefined"),
            ("{% if %}", "Expected an expression, got 'end of statement block'"),
        ],
    )
    def test_a_mistake_in_a_value_is_named_with_its_file_and_key(self, templates, text, message):
        with pytest.raises(TemplateError) as caught:
            templates.value(text, {"secrets": {}}, "shop.toml", "env.variables.KEY")
        assert str(caught.value.problem) == f"shop.toml: env.variables.KEY: {message}"
        assert caught.value.code == 2

    def test_a_line_end_at_the_end_of_a_value_stays(self, templates):
        assert templates.value("{{ 1 }}\n", {}, "shop.toml", "key") == "1\n"

    def test_no_value_is_escaped_for_html(self, templates):
        assert templates.value("{{ name }}", {"name": "<a & 'b'>"}, "shop.toml", "key") == "<a & 'b'>"
