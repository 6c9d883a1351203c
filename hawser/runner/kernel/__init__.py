"""The kernel's view of the host: control groups, programs, ports, mounts."""
