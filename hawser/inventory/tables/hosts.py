"""Where it runs: the tables ``[hosts.NAME]`` and ``[ssh]``."""

from __future__ import annotations

from pydantic import Field

from ..base import Model
from ..values.types import (
    Address,
    Groups,
    Jump,
    KeyFile,
    Port,
    PublicKey,
    Sandbox,
    Seconds,
    SecretName,
    UnixName,
    Variable,
    VariableName,
)


class SshSettings(Model):
    """How the hosts are reached, where they do not say it themselves."""

    user: UnixName | None = Field(default=None, description="The user to log in as. Default: as `ssh` would.")
    admin: UnixName | None = Field(
        default=None,
        description="Who logs in for what needs all of root: bootstrap, upgrade, remove, and whatever is given with "
        "`--as-admin`. Then `user` can do no more as root than deploy this application. Default: nobody, and `user` "
        "may do anything as root.",
    )
    port: Port | None = Field(default=None, description="The port. Default: as `ssh` would, so mostly 22.")
    key: KeyFile | None = Field(default=None, description="The private key to log in with. Default: as `ssh` would.")
    jump: Jump | None = Field(default=None, description="The host to go through.")
    connect_timeout: Seconds = Field(default=10, description="How long a connection may take.")
    sudo_password: SecretName | None = Field(
        default=None,
        description="The secret that holds the password for sudo. Default: sudo needs none, or it is asked for with "
        "`--prompt-for-sudo-password`.",
    )


class HostSettings(Model):
    """A machine."""

    address: Address = Field(
        default="", validate_default=False, description="Its DNS name or IP address. Default: its name in this file."
    )
    groups: Groups = Field(default=(), description="The groups it belongs to.")
    sandbox: Sandbox = Field(
        default=False,
        description="A throwaway host that `fab sandbox.up` makes, of this machine's release or of the one named.",
    )
    port: Port | None = Field(default=None, description="Its SSH port. Default: `ssh.port`.")
    user: UnixName | None = Field(default=None, description="The user to log in as. Default: `ssh.user`.")
    key: KeyFile | None = Field(default=None, description="The private key to log in with. Default: `ssh.key`.")
    jump: Jump | None = Field(default=None, description='The host to go through; "" for none. Default: `ssh.jump`.')
    host_key: PublicKey | None = Field(default=None, description="Its public key; any other key is refused.")
    vars: dict[VariableName, Variable] = Field(
        default_factory=dict, description="Values of this host, for templates: `{{ host.vars.NAME }}`."
    )


class EtcHosts(Model):
    """Whose ``/etc/hosts`` names every host of the environment, for programs that tell others their host's name."""

    groups: Groups = Field(default=(), description="The groups whose hosts know all names. Default: every host.")
