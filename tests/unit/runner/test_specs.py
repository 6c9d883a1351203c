"""A resource arrives with the fields that the runner reads, and its kind declares them."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
import typing
from collections.abc import Mapping

import pytest
import typing_extensions

from hawser import resources
from hawser.answers import messages as taken_messages
from hawser.answers import records, rows
from hawser.host.facts import Facts
from hawser.resources import Changed, Notice, Resource
from hawser.runner.engine import KINDS
from hawser.runner.specs import answers as said
from hawser.runner.specs import files, messages
from hawser.ssh.loader import modules

SENT = [
    each
    for each in vars(resources).values()
    if isinstance(each, type) and issubclass(each, Resource) and each not in (Resource, Notice)
]


def spec_of(resource):
    """Return the runner's type of a resource: as it is called, in the module of the same name."""
    module = importlib.import_module(f"hawser.runner.specs.{resource.__module__.rpartition('.')[2]}")
    return getattr(module, f"{resource.__name__}Spec")


def as_sent(hint):
    """Return the type that a field has once it went through JSON."""
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind is tuple and inner[-1] is Ellipsis:
        return list[as_sent(inner[0])]
    if kind is Mapping:
        return dict[tuple(map(as_sent, inner))]
    if kind is tuple:
        return tuple[tuple(map(as_sent, inner))]
    return {str | bytes: str | files.Base64, Changed | None: list[int]}.get(hint, hint)


def as_read(hint):
    """Return a type of the runner's, which is written for an older Python, as this one writes it."""
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    return kind[tuple(map(as_read, inner))] if kind in (list, dict, tuple) else hint


@pytest.mark.parametrize("resource", SENT, ids=lambda each: each.kind)
def test_every_field_is_typed_as_it_is_sent(resource):
    names, spec = {each.name for each in dataclasses.fields(resource)}, spec_of(resource)
    hints = typing.get_type_hints(resource, localns={"JSON": object})
    read = typing.get_type_hints(spec, localns={"JSON": object})
    assert {name: as_read(hint) for name, hint in read.items()} == {name: as_sent(hints[name]) for name in names}
    assert spec.__optional_keys__ == {name for name in names if hints[name] == Changed | None}


@pytest.mark.parametrize("resource", SENT, ids=lambda each: each.kind)
def test_every_kind_declares_the_type_of_its_resource(resource):
    module, name = KINDS[resource.kind]
    kind = getattr(importlib.import_module(f"hawser.runner.{module}"), name)
    assert kind.__annotations__["spec"] == spec_of(resource).__name__


def test_the_types_stay_here():
    names = modules()
    assert not [name for name in names if "specs" in name]
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(*sys.modules)"
    names = [name.replace("hawser_runner", "hawser.runner", 1) for name in names]
    argv = [sys.executable, "-c", program, *names]
    loaded = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert set(names) <= set(loaded) and not [name for name in loaded if "specs" in name]


def test_there_is_a_type_for_every_kind_and_for_nothing_else():
    assert {each.kind for each in SENT} == set(KINDS)


SAID = {name: each for module in (said, messages) for name, each in vars(module).items() if typing.is_typeddict(each)}


TAKEN = {
    name: each
    for module in (taken_messages, rows, records)
    for name, each in vars(module).items()
    if typing.is_typeddict(each) or typing_extensions.is_typeddict(each)
}


@pytest.mark.parametrize("name", sorted(SAID.keys() & TAKEN.keys()))
def test_what_the_runner_says_has_the_fields_that_are_taken(name):
    taken = {each for each in typing.get_type_hints(TAKEN[name]) if not each.startswith("__")}
    # Of a record that another version may have written, not all is taken.
    assert typing.get_type_hints(SAID[name]).keys() - {"path" if name == "Held" else ""} == taken


def test_the_facts_of_a_greeting_are_those_that_are_taken():
    sent = {**typing.get_type_hints(said.HostFacts), **typing.get_type_hints(said.ApplicationFacts)}
    assert sent.keys() == {each.name for each in dataclasses.fields(Facts)}
