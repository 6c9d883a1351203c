"""The sandbox as a program of its own: ``python -m hawser.sandbox up web1 web2=bare``."""

from __future__ import annotations

import argparse
import sys

from ..errors import HawserError
from . import SandboxSpec, down, listing, reset, up


def main(arguments: list[str] | None = None) -> int:
    """Do one thing with the sandbox and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m hawser.sandbox", description="Throwaway hosts on this machine.")
    parser.add_argument("action", choices=["up", "down", "reset", "list"])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a host; NAME=trixie: that release; NAME=bare: no Python"
    )
    options = parser.parse_args(arguments)
    try:
        if options.action == "up":
            up([SandboxSpec.parse(word) for word in options.names])
        elif options.action == "down":
            down(options.names or None)
        elif options.action == "reset":
            reset(options.names)
        else:
            for host in listing():
                print(f"{host.name}\t{host.user}@{host.address}:{host.port}")
    except HawserError as error:
        print(error, file=sys.stderr)
        return int(error.code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
