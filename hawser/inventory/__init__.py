"""The environment files: typed, checked, with every default filled in; and the meaning of names after ``-H``."""

from .load import Inventory, load_inventory
from .parse import read_environment
from .schema import Environment
from .tables.app import App, EnvSettings, PythonSettings, ReleaseSettings
from .tables.files import FileEntry, Persistent, Site
from .tables.hosts import HostSettings, SshSettings
from .tables.processes import CronEntry, Health, Limits, Process
from .tables.services import Services
from .targets import Selection

__all__ = [
    "App",
    "CronEntry",
    "EnvSettings",
    "Environment",
    "FileEntry",
    "Health",
    "HostSettings",
    "Inventory",
    "Limits",
    "Persistent",
    "Process",
    "PythonSettings",
    "ReleaseSettings",
    "Selection",
    "Services",
    "Site",
    "SshSettings",
    "load_inventory",
    "read_environment",
]
