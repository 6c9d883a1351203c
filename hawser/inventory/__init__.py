"""The environment files: typed, checked, with every default filled in; and what a name after ``-H`` stands for."""

from .app import App, EnvSettings, PythonSettings, ReleaseSettings
from .files import FileEntry, Persistent, Site
from .hosts import HostSettings, SshSettings
from .load import Inventory, load_inventory
from .parse import read_environment
from .processes import CronEntry, Health, Limits, Process
from .schema import Environment
from .services import BrokerUser, Database, Postgresql, Rabbitmq, Redis, Services
from .targets import Selection

__all__ = [
    "App",
    "BrokerUser",
    "CronEntry",
    "Database",
    "EnvSettings",
    "Environment",
    "FileEntry",
    "Health",
    "HostSettings",
    "Inventory",
    "Limits",
    "Persistent",
    "Postgresql",
    "Process",
    "PythonSettings",
    "Rabbitmq",
    "Redis",
    "ReleaseSettings",
    "Selection",
    "Services",
    "Site",
    "SshSettings",
    "load_inventory",
    "read_environment",
]
