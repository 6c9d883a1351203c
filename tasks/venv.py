"""The Python environment of a release."""

from __future__ import annotations

from hawser.host import Host
from hawser.host.places import UV_FOLDER
from hawser.resources import PythonEnvironment, Resources
from hawser.steps import step


@step(prepares=True)
def build(host: Host) -> Resources:
    """Build the Python environment, or find the one that fits already."""
    if not host.runs_code or host.release is None:
        return
    app, python = host.app, host.environment.python
    packages, extras = python.packages, python.extras
    if app.package:
        named = f"[{','.join(extras)}]" if extras else ""
        packages, extras = (f"{app.package}{named}=={host.release.commit}", *packages), ()
    yield PythonEnvironment(
        f"{host.release_path}/env",
        folder=f"{host.root}/envs",
        source=host.source,
        user=host.app.user,
        uv=f"{UV_FOLDER}/bin/uv",
        interpreter=python.interpreter or "",
        requirements=python.requirements or (),
        detect=python.requirements is not False,
        packages=packages,
        lock=python.lock or "",
        extras=extras,
        groups=python.groups,
        own=host.release.id if python.own else "",
        resolver="" if python.resolver == "uv" else python.resolver,
        build_constraints=python.build_constraints,
        conda=python.conda or "",
        conda_packages=python.conda_packages,
        conda_program=python.conda_program or "",
    )
