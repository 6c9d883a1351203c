"""The vocabulary: one frozen dataclass per kind of fact that shall hold on a host.

A resource is pure data. A step yields resources, a catalog carries them to the host, and the runner there
(`hawser.runner`) checks and applies each. The field names here are the field names of the runner's specification.
"""

from .base import JSON, Changed, Notice, Resource, Resources, changed
from .catalog import Catalog, Item
from .certificates import AcmeCertificate, AcmeLink, Placed, SelfSigned
from .code import Build, Checkout, Checkouts, History, Journal, Prune, PythonEnvironment, Trees
from .databases import (
    Backup,
    DatabaseGone,
    MariadbDatabase,
    MariadbRole,
    PostgresDatabase,
    PostgresRole,
    RabbitAccess,
    RabbitGone,
    Restore,
)
from .files import Absent, Block, Directory, File, Files, Link, LinkedFolder, Patch, Settings
from .processes import Healthy, Retired, Running, Units, Visited
from .system import (
    Command,
    Exports,
    LuksVolume,
    Mount,
    Mounted,
    Mounts,
    Once,
    Packages,
    Service,
    Tool,
    User,
    UserGone,
    Volumes,
)

__all__ = [
    "JSON",
    "Absent",
    "AcmeCertificate",
    "AcmeLink",
    "Backup",
    "Block",
    "Build",
    "Catalog",
    "Changed",
    "Checkout",
    "Checkouts",
    "Command",
    "DatabaseGone",
    "Directory",
    "Exports",
    "File",
    "Files",
    "Healthy",
    "History",
    "Item",
    "Journal",
    "Link",
    "LinkedFolder",
    "LuksVolume",
    "MariadbDatabase",
    "MariadbRole",
    "Mount",
    "Mounted",
    "Mounts",
    "Notice",
    "Once",
    "Packages",
    "Patch",
    "Placed",
    "PostgresDatabase",
    "PostgresRole",
    "Prune",
    "PythonEnvironment",
    "RabbitAccess",
    "RabbitGone",
    "Resource",
    "Resources",
    "Restore",
    "Retired",
    "Running",
    "SelfSigned",
    "Service",
    "Settings",
    "Tool",
    "Trees",
    "Units",
    "User",
    "UserGone",
    "Visited",
    "Volumes",
    "changed",
]
