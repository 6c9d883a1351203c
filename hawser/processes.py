"""What every process of an application comes down to, whoever manages it."""

from __future__ import annotations

from .host import ProcessInstance
from .resources import File, Healthy, Resources, Running, changed


def definition(process: ProcessInstance, text: str, validate: str) -> Resources:
    """Yield a process's definition, its start, and the proof that it is healthy.

    :param text: the whole unit or program file.
    """
    setting, site = process.setting, process.host.environment.site
    file = File(process.definition, text, mode=0o644, validate=validate)
    yield file
    yield Running(process.unit, setting.manager, log=process.log, when=changed(file))
    if setting.listens:
        health = setting.health
        yield Healthy(
            process.address,
            process.unit,
            setting.manager,
            path=health.path if health else "",
            host=site.domains[0] if site else "localhost",
            statuses=health.ranges if health else ((200, 399),),
            timeout=health.timeout if health else 30.0,
            log=process.log,
        )
