"""Real daemons from temporary folders: supervisord, and web servers on Unix sockets."""

from __future__ import annotations

import http.server
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

from hawser.runner.processes.supervisor import Supervisor

SERVER = """[unix_http_server]
file=%(here)s/supervisor.sock
"""
MAIN = """[supervisord]
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files = {folder}/conf.d/*.conf
"""


def until(condition):
    """Wait until something holds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def command_line(pid):
    """Return a process's command line, empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Supervisord:
    """A supervisord of our own, run as this user.

    :param server: the sections that say how it is spoken to.
    """

    def __init__(self, folder, server=SERVER):
        self.home = folder
        self.folder = folder / "conf.d"
        self.folder.mkdir(parents=True)
        self.socket = folder / "supervisor.sock"
        self.config = folder / "supervisord.conf"
        self.config.write_text(server + MAIN.format(folder=folder))
        argv = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", f"{folder}/supervisord.conf"]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: "supervisord started" in self.said)
        self.own_command_line = command_line(self.process.pid)

    @property
    def said(self):
        """What it has written about itself."""
        log = self.home / "supervisord.log"
        return log.read_text() if log.exists() else ""

    def use(self, system):
        """Act through a system from now on."""
        self.manager = Supervisor(system)

    def define(self, unit, command="sleep 1000", **keys):
        """Write a program's definition."""
        keys = {"startsecs": 0, "stopasgroup": "true", "killasgroup": "true", **keys}
        text = f"; hawser: application=demo process={unit[5:]} release=r1\n[program:{unit}]\ncommand={command}\n"
        text += "".join(f"{name}={value}\n" for name, value in keys.items())
        (self.folder / f"{unit}.conf").write_text(text)

    def run(self, unit, command="sleep 1000", **keys):
        """Have a program run, and wait until it is itself: before, it would not hear a signal."""
        self.define(unit, command, **keys)
        self.manager.take_up(unit)
        self.manager.start(unit)
        until(lambda: self.command_line(unit) not in ("", self.own_command_line))

    def run_slow(self, unit, seconds, **keys):
        """Have a program run that ends some seconds after it was told to."""
        ready = self.home / f"{unit}.ready"
        ready.unlink(missing_ok=True)
        script = f"trap 'sleep {seconds}; exit' TERM; touch {ready}; while :; do sleep 0.05; done"
        # Only the shell is told, and its children may go on.
        self.run(unit, f'sh -c "{script}"', stopasgroup="false", **keys)
        until(ready.exists)

    def pid(self, unit):
        return self.manager.state(unit).pid

    def command_line(self, unit):
        """Return a program's command line, empty while it has no process."""
        return command_line(self.pid(unit))

    def forget_all(self):
        """Kill every program and remove every definition."""
        for path in self.folder.iterdir():
            path.unlink()
        self.manager.call("reloadConfig")
        for unit in [row["group"] for row in self.manager.call("getAllProcessInfo")]:
            self.manager.ends(unit, 0)
            self.manager.attempt("signalProcess", unit, "KILL")
            assert self.manager.ends(unit, 5)
            self.manager.attempt("removeProcessGroup", unit)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names, and remembers the question."""

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        self.send_response(int(self.path.strip("/") or 200))
        self.end_headers()

    def log_message(self, *_arguments):
        pass

    def address_string(self):
        return "unix"


class WebServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A web server on a Unix socket."""

    daemon_threads = True

    def __init__(self, path):
        super().__init__(str(path), Handler)
        self.asked = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


def say_and_close(path, answer):
    """Answer everything on a socket with the same bytes."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve():
        while True:
            try:
                link, _address = server.accept()
            except OSError:
                return
            with link:
                link.recv(65536)
                link.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return server
