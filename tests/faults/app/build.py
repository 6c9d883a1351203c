"""A build that can be made to fail on one host."""

from pathlib import Path

if Path("/run/fault/build").exists():
    raise SystemExit("the build fails here")
Path("built").write_text("yes\n")
