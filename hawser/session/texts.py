"""The texts with which processes start: what they get of Hawser, whichever version that is."""

from __future__ import annotations

from collections.abc import Iterable

from ..formats import NotRepresentable
from ..host import Host
from ..resources import File
from ..steps import Step
from ..templates.rendering import TemplateError

# The id of a release that nobody will ever have made.
STAND_IN = "0" * 10 + "-" + "0" * 8


def texts(hosts: Iterable[Host]) -> list[list[object]]:
    """Return all that stands in the files that processes read when they start, in an order of its own.

    Nothing else tells what another version of Hawser changes for them. What cannot be rendered is what it says of it:
    whoever takes it to a host hears that, and a look at hosts goes on.

    :param hosts: them, before anybody has asked them for facts.
    """
    found: list[list[object]] = []
    for host in hosts:
        for each in Step.registry:
            if not each.for_processes:
                continue
            try:
                files = [resource for resource in each.resources(host) if isinstance(resource, File)]
                found += [[host.name, file.path, text_of(file), file.mode, file.owner, file.group] for file in files]
            except (TemplateError, NotRepresentable) as error:
                found.append([host.name, each.title, str(error)])
    return sorted(found, key=str)


def text_of(file: File) -> str:
    """Return the content of a file as text, also that of one that is none."""
    return file.content if isinstance(file.content, str) else file.content.hex()
