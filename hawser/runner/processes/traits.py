"""The process managers, by their name in the settings: what is known of one wherever it is told from others."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, FrozenSet, Iterable, Sequence


class ManagerTraits:
    """What is known of a process manager; how a process is defined for it, its module in `tasks/managers` says.

    :param folder: where it reads the definitions of processes, and
    :param suffix: what their names end with.
    :param others: further folders where a definition of a name may lie, which one in `folder` would take the place of.
    :param names: the pattern of the lines by which a file of definitions names them, where its own name does not count.
    :param restart: the command that restarts a process which it runs, before the name; it starts none that is stopped.
    :param serves: the test of the shell whether a process is to run, before what `asked_by` says, and
    :param asked_by: ``unit``, its name, or ``definition``, the path of that.
    :param package: that of Debian, which brings it, and
    :param unit: the service of systemd in it; both are empty for systemd itself.
    :param log: where the output of a process goes below the application's folder, ``{}`` for its name; empty: into the
        journal, which also has what else it says of the process.
    :param log_keys: the keys of a definition that name such a file themselves, those first that take complaints.
    :param opens: the keys of a definition that name a file which root opens.
    :param sections: those of a definition to which `extra` may add, as in ``Unit.After``.
    :param starts_all: at boot it starts every definition that lies in its folder: one that shall not start must go.
    :param offers: of what not all of them do themselves, the keys of `[processes]` that it sees to.
    """

    def __init__(
        self,
        folder: str,
        suffix: str,
        restart: str,
        serves: str,
        asked_by: str,
        package: str = "",
        unit: str = "",
        log: str = "",
        log_keys: Sequence[str] = (),
        opens: Sequence[str] = (),
        sections: Sequence[str] = (),
        starts_all: bool = False,
        others: Sequence[str] = (),
        names: str = "",
        offers: Iterable[str] = (),
    ) -> None:
        self.folder = folder
        self.suffix = suffix
        self.restart = restart
        self.serves = serves
        self.asked_by = asked_by
        self.package = package
        self.unit = unit
        self.log = log
        self.log_keys = tuple(log_keys)
        self.opens = tuple(opens)
        self.sections = tuple(sections)
        self.starts_all = starts_all
        self.others = tuple(others)
        self.names = names
        self.offers: FrozenSet[str] = frozenset(offers)


MANAGERS: Dict[str, ManagerTraits] = {
    "systemd": ManagerTraits(
        "/etc/systemd/system",
        ".service",
        restart="systemctl try-restart",
        serves="systemctl --quiet is-enabled",
        asked_by="unit",
        opens=("StandardOutput", "StandardError", "StandardInput", "EnvironmentFile"),
        sections=("Unit", "Install"),
        others=("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"),
        offers=("environment_file", "hardened", "limits", "writable"),
    ),
    "supervisor": ManagerTraits(
        "/etc/supervisor/conf.d",
        ".conf",
        restart="supervisorctl restart",
        serves="test -e",
        asked_by="definition",
        package="supervisor",
        unit="supervisor",
        log="log/{}.log",
        starts_all=True,
        names=r"^\[(?:program|group|eventlistener|fcgi-program):([^\]\s]+)\]",
        log_keys=("stderr_logfile", "stdout_logfile"),
        opens=("stdout_logfile", "stderr_logfile"),
    ),
}


def others(name: str) -> Sequence[str]:
    """Return the managers that are not the named one."""
    return [each for each in MANAGERS if each != name]
