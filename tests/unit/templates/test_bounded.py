# ruff: noqa: E501
"""Templates reach only data, and every rendering ends soon, within little memory, with a sentence."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from hawser.host.host import ForbiddenSecrets
from hawser.inventory import Environment
from hawser.templates import budget
from hawser.templates.rendering import TemplateError, Templates

ENVIRONMENT = Environment.model_validate(
    {"name": "shop", "path": "/project/hosts/shop.toml", "app": {"name": "shop", "repo": "."}}
)
CONTEXT = {
    "environment": ENVIRONMENT,
    "app": ENVIRONMENT.app,
    "vars": SimpleNamespace(
        big="x" * 900_000, slots=4, tags=["a", "b"], collide=[number * (2**61 - 1) for number in range(40_000)]
    ),
    "A": "a" * 1000,
    "B": "b" * 1000,
    "Ä": "ä" * 1000,
    "M": 2**61 - 1,
    "secrets": ForbiddenSecrets(),
    "tools": SimpleNamespace(run=time.sleep),
}
DOUBLED = "{% set ns = namespace(x='ab', l=[1], o=namespace(a=1)) %}{% for i in range(60) %}"
ENDLESS = [
    # Loops.
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% for a in range(10 ** 12) %}{% endfor %}",
    "{% for a in range(90000) %}" + "x" * 900_000 + "{% endfor %}",
    "{% macro m(n) %}{{ m(n - 1) }}{{ m(n - 1) }}{% endmacro %}{{ m(10 ** 9) }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% for a in [[[1, 1], 1], 1] recursive %}{{ loop([a, a]) }}{% endfor %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}",
    # Texts and lists that are as long as a number says.
    "{{ 'x' * 10 ** 9 }}",
    "{{ 10 ** 9 * 'x' }}",
    "{{ [0] * 10 ** 9 }}",
    "{{ (0,) * 10 ** 9 }}",
    "{{ 'x'.ljust(10 ** 9) }}",
    "{{ 'x'.zfill(10 ** 9) }}",
    "{{ 'x'['center'](10 ** 9) }}",
    "{{ 'x'.encode().ljust(10 ** 9) }}",
    "{{ ('\t' * 100000).expandtabs(9999) }}",
    "{{ (5).to_bytes(10 ** 9, 'big') }}",
    "{{ 'x' | center(10 ** 9) }}",
    "{{ 'x' | center(width=10 ** 9) }}",
    "{{ 'x\n' | indent(10 ** 9) }}",
    "{{ ('x\n' * 100000) | indent('y' * 100000) }}",
    "{{ [1] | batch(10 ** 9, 'x') | list }}",
    "{{ [1] | slice(10 ** 9) | list }}",
    "{{ [1] | tojson(indent=10 ** 9) }}",
    "{{ 1.5 | round(10 ** 9) }}",
    "{{ 5 | round(-(10 ** 9)) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%*d' % (10 ** 9, 1) }}",
    "{{ '%.1000000000f' | format(1) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ '{:{}}'.format(1, 10 ** 9) }}",
    "{{ '{a:>1000000000}'.format_map({'a': 1}) }}",
    "{% set f = '{:>1000000000}'.format %}{{ f(1) }}",
    "{{ (['{:>1000000000}'] | map('attr', 'format') | first)(1) }}",
    # Numbers.
    "{{ 10 ** (10 ** 10) }}",
    "{{ 2 ** (2 ** 40) }}",
    "{{ ('f' * 900000) | int(0, 16) }}",
    "{% set ns = namespace(n=3) %}{% for i in range(60) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    # What doubles.
    DOUBLED + "{% set ns.x = ns.x + ns.x %}{% endfor %}",
    DOUBLED + "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    DOUBLED + "{% set ns.x = '%s%s' % (ns.x, ns.x) %}{% endfor %}",
    DOUBLED + "{% set ns.x = '{0}{0}'.format(ns.x) %}{% endfor %}",
    DOUBLED + "{% set ns.x = ns.x | replace('ab', 'abab') %}{% endfor %}",
    DOUBLED + "{% set ns.x = ns.x.replace('', 'abc') %}{% endfor %}",
    DOUBLED + "{% set ns.x = ns.x | join(ns.x) %}{% endfor %}",
    DOUBLED + "{% set ns.x = ns.x.join(ns.x) %}{% endfor %}",
    DOUBLED + "{% set ns.x = [ns.x, ns.x] | join %}{% endfor %}",
    DOUBLED + "{% set y %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = y %}{% endfor %}",
    DOUBLED + "{% set ns.l = ns.l + ns.l %}{% endfor %}",
    DOUBLED + "{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
    DOUBLED + "{% set ns.l = (ns.l, ns.l) %}{% endfor %}{{ ns.l == ns.l | list }}",
    DOUBLED + "{% set ns.l = {'a': ns.l, 'b': ns.l} %}{% endfor %}{{ ns.l | tojson }}",
    DOUBLED + "{% set ns.l = dict(a=ns.l, b=ns.l) %}{% endfor %}{{ ns.l | tojson }}",
    DOUBLED + "{% set ns.o = namespace(a=ns.o, b=ns.o) %}{% endfor %}{{ ns.o }}",
    DOUBLED + "{% set ns.o = cycler(ns.o, ns.o) %}{% endfor %}{{ [ns.o] | string }}",
    "{{ [vars.big] * 100 }}",
    "{{ [vars] * 100000 | map(attribute='big') | join }}",
    "{{ ([vars] * 100000) | map(attribute='big') | join }}",
    "{{ ([vars] * 100000) | sum('tags', []) }}",
    "{% set ns = namespace(l=[]) %}{% for i in range(90000) %}{% set ns.l = ns.l + [vars.big ~ i] %}{% endfor %}",
    "{% macro m(s) %}{{ m(s[1:]) }}{% endmacro %}{{ m(vars.big) }}",
    # What contains itself, or lies deep.
    "{% set ns = namespace(l=[]) %}{% for i in range(90000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
    # What is slow in itself.
    "{{ ('<!--' * 200000) | striptags }}",
    "{{ ('http://' * 100000) | urlize }}",
    "{{ lipsum(n=100000, max=100000) }}",
    "{{ 'x'.translate({120: 'y' * 100000}) }}",
    # What one step takes long for, with no word in between.
    "{{ (A * 3900).rfind('ab' ~ A * 1900) }}",
    "{{ (A * 3900).rsplit('ab' ~ A * 1900) | length }}",
    "{{ (A * 3900).encode().rindex(('ab' ~ A * 1900).encode()) }}",
    "{{ (A * 3900).strip(B * 3900 ~ 'a') | length }}",
    "{{ (A * 1900) | trim(B * 1900 ~ 'a') | length }}",
    "{% set a = (A * 3900) | int(0, 16) %}{% set b = (A * 1950) | int(0, 16) %}{{ a // b == 1 }}",
    "{% set a = (A * 3900) | int(0, 16) %}{% set b = (A * 1950) | int(0, 16) %}{{ a % b == 1 }}",
    "{{ 0x" + "f" * 90_000 + " // 0x" + "f" * 45_000 + " == 1 }}",
    "{{ (range(0, M * 99999, M) - {}.keys()) | length }}",
    "{{ dict(range(0, M * 99999, M) | batch(2)) | length }}",
    "{{ (vars.collide - {}.keys()) | length }}",
    "{% set a = range(99999) | list %}{% set b = range(99999) | list %}{{ a" + " == b" * 3000 + " }}",
    "{% set a = range(99999) | list %}{% set b = range(99999) | list %}" + "{% if a == b %}{% endif %}" * 600,
    "{% set s = A * 3900 %}" + "{% if s is lower %}{% endif %}" * 600,
    "{{ (Ä * 400).encode('punycode') | length }}",
    "{{ (A * 400).encode().decode(encoding='punycode') | length }}",
]  # fmt: skip
HARMLESS = [
    "{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns }}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(9000) %}{% set ns.l = ns.l | map('upper') %}{% endfor %}{{ ns.l | list }}",
]  # fmt: skip
FORBIDDEN = [
    "{{ ''.__class__.__mro__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ ('x' | attr('__class__')).mro() }}",
    "{{ '{0.__class__.__mro__}'.format(1) }}",
    "{{ environment.path.read_text() }}",
    "{{ environment.path.parent.joinpath('shop.env').read_text() }}",
    "{{ environment.path['read_text']() }}",
    "{{ [environment.path] | map(attribute='read_text') | first }}",
    "{{ environment.parse_file('/etc/passwd') }}",
    "{{ app.model_dump() }}",
    "{{ app.model_construct }}",
    "{{ app.model_fields }}",
    "{{ environment.hosts_of([]) }}",
    "{{ vars.tags.append('x') }}",
    "{{ tools.run(100) }}",
    "{{ self.__init__ }}",
    "{% set x = namespace(__class__=1) %}{{ x.__class__ }}",
    "{{ namespace.__init__ }}",
    "{% include '/etc/passwd' %}",
    "{% include '../../etc/passwd' %}",
]


@pytest.mark.parametrize("text", HARMLESS, ids=range(len(HARMLESS)))
def test_a_template_that_only_looks_endless_has_a_value(text):
    assert len(Templates().value(text, CONTEXT, "shop.toml", "env.variables.X")) < 100


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> float:
    """The seconds after which a rendering ends that takes longer."""
    monkeypatch.setattr(budget, "SECONDS", 0.3)
    return 0.3


@pytest.mark.parametrize("text", ENDLESS, ids=range(len(ENDLESS)))
def test_a_template_that_would_not_end_or_fill_the_memory_ends_with_a_sentence(text, soon):
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
    with pytest.raises(TemplateError) as caught:
        Templates().value(text, CONTEXT, "shop.toml", "env.variables.X")
    said = str(caught.value.problem)
    assert said.startswith("shop.toml: env.variables.X: ") and len(said) < 300
    # Of this thread alone, however busy the machine is; half of them end because they are too large.
    assert time.thread_time() - began < soon + 2.5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


@pytest.mark.parametrize("text", FORBIDDEN, ids=range(len(FORBIDDEN)))
def test_a_template_reaches_nothing_but_data(text):
    with pytest.raises(TemplateError) as caught:
        Templates().value(text, CONTEXT, "shop.toml", "env.variables.X")
    assert "root:" not in str(caught.value)


@pytest.mark.parametrize("text", ["'x' * 10 ** 9", "range(10 ** 12) | list", "lipsum.__globals__", "[0] * 10 ** 9"])
def test_an_expression_is_bounded_like_a_template(text):
    with pytest.raises(TemplateError):
        Templates().expression(text, CONTEXT, "shop.toml", "rules.x")


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "1" * 6000 + " }}",
        "{{ 1" + " + 1" * 20_000 + " }}",
        "{{ x" + " | upper" * 20_000 + " }}",
        "{% for a in b %}" * 100 + "{% endfor %}" * 100,
        "{{ " + "[" * 2000 + "]" * 2000 + " }}",
        "x{{ 1 }}" + "y" * 200_000,
        "".join(f"{{% if 0 %}}{{% set b{each} = 1 %}}{{% endif %}}" for each in range(2000)),
        "".join(f"{{% macro b{each}() %}}{{% endmacro %}}" for each in range(2000)),
        # What Jinja2 makes of it is no program, or fails where nobody expects it.
        "{{ 1e999 }}",
        "{{ cycler() }}",
        "{{ 'a' | truncate(true) }}",
    ],
    ids=range(12),
)
def test_a_template_that_cannot_be_parsed_ends_with_a_sentence(text):
    with pytest.raises(TemplateError):
        Templates().value(text, {"x": "x"}, "shop.toml", "env.variables.X")


def test_templates_that_include_each_other_end(tmp_path: Path, soon):
    (tmp_path / "a.j2").write_text("{% include 'b.j2' %}{% include 'b.j2' %}")
    (tmp_path / "b.j2").write_text("{% include 'a.j2' %}")
    big = "{% set x %}{% for i in range(90000) %}{% include 'c.j2' %}{% endfor %}{% endset %}"
    (tmp_path / "big.j2").write_text(big)
    (tmp_path / "c.j2").write_text("x" * 190_000)
    for name in ("a.j2", "big.j2"):
        with pytest.raises(TemplateError, match=rf"conf_templates/{name}"):
            Templates([tmp_path]).file(name, {})


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ 'a-%s' % 1 }} {{ '%02d' | format(7) }} {{ '{:>4}'.format('x') }}", "a-1 07    x"),
        ("{{ [1, 2] | join(', ') }} {{ ', '.join(['a', 'b']) }} {{ 'a' ~ 1 ~ 'b' }}", "1, 2 a, b a1b"),
        ("{{ 'x' * 3 }} {{ 2 ** 10 }} {{ [1] + [2] }} {{ 7 % 3 }}", "xxx 1024 [1, 2] 1"),
        ("{{ 'a.b'.replace('.', '-') }} {{ 'aaa' | replace('a', 'b', 2) }}", "a-b bba"),
        ("{{ vars.tags | map('upper') | join }} {{ [3, 1] | sort | first }} {{ [1, 2] | sum }}", "AB 1 3"),
        ("{% for t in vars.tags %}{{ loop.index }}/{{ loop.length }}{{ t }}{{ ',' if not loop.last }}{% endfor %}", "1/2a,2/2b"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "a1"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('y') }}{{ m(x=1) }}", "<y><1>"),
        ("{{ range(3) | list }} {{ 10485760 | filesizeformat }} {{ 5000000 | string }}", "[0, 1, 2] 10.5 MB 5000000"),
        ("{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "10"),
        ("{{ app.name }} {{ environment.path.name }} {{ vars.get | default('none') }} {{ vars.slots + 1 }}", "shop shop.toml none 5"),
        ("{{ 'a\nb' | indent(2) }} {{ 'x' | center(3) }}|{{ {'a': [1]} | tojson }}", "a\n  b  x |{\"a\": [1]}"),
        ("{{ 'a, b'.split(', ') }} {{ ' x '.strip() }} {{ ' y ' | trim }} {{ 'é'.encode('utf-8') | length }}", "['a', 'b'] x y 2"),
        ("{{ 7 // 2 }} {{ 7 / 2 }} {{ 7 - 2 }} {{ 2 ** 63 }} {{ 1 < 2 < 3 }} {{ 'a' in 'abc' }}", "3 3.5 5 9223372036854775808 True True"),
        ("{{ vars.slots is number }} {{ nothing is defined }} {{ 'A' is lower }} {{ 1 is in [1] }}", "True False False True"),
    ],
)  # fmt: skip
def test_templates_of_everyday_use_are_within_the_bounds(text, made):
    assert Templates().value(text, CONTEXT, "shop.toml", "x") == made


def test_a_busy_machine_changes_nothing_about_the_bounds():
    text = "{% for i in range(90000) %}{% endfor %}ok"
    assert Templates().value(text, {}, "shop.toml", "x") == "ok"
