"""A real SSH server on the loopback device, whose programs are real ones or say what a test wants."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST

Program = Callable[[paramiko.Channel, str], None]
HOST_KEY, OTHER_HOST_KEY, OUR_KEY, THEIR_KEY = (paramiko.ECDSAKey.generate() for _ in range(4))


class Login(paramiko.ServerInterface):
    """Let root in with our key, and start the server's program for every command."""

    executes = True
    session = paramiko.OPEN_SUCCEEDED

    def __init__(self, program: Program) -> None:
        self.program = program

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if key == OUR_KEY and username != "nobody" else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return self.session

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        vars(channel)["program"] = threading.Thread(target=self.program, args=(channel, command.decode()), daemon=True)
        return self.executes


class Transport(paramiko.Transport):
    """A transport of a server: the answer to a request leaves before the first word of the program it starts."""

    def __init__(self, link: socket.socket) -> None:
        super().__init__(link)
        handlers = self._channel_handler_table  # type: ignore[has-type]

        def answer(channel: paramiko.Channel, message: paramiko.Message) -> None:
            handlers[MSG_CHANNEL_REQUEST](channel, message)
            if program := vars(channel).pop("program", None):
                program.start()

        self._channel_handler_table = {**handlers, MSG_CHANNEL_REQUEST: answer}


class Server:
    """An SSH server that shows `HOST_KEY`."""

    def __init__(self, program: Program) -> None:
        self.login = Login(program)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.transports: list[paramiko.Transport] = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                link, _ = self.listening.accept()
            except OSError:
                return
            transport = Transport(link)
            transport.add_server_key(HOST_KEY)
            self.transports.append(transport)
            try:
                transport.start_server(server=self.login)
            except (EOFError, OSError, paramiko.SSHException):
                pass

    def close(self) -> None:
        self.listening.close()
        for transport in self.transports:
            transport.close()


def execute(channel: paramiko.Channel, command: str, shell: Sequence[str] = ("sh",)) -> None:
    """Run a command for real.

    :param shell: the login shell.
    """
    ours, theirs = socket.socketpair()
    with subprocess.Popen([*shell, "-c", command], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL):
        theirs.close()

        def answer() -> None:
            with contextlib.suppress(OSError):
                while data := ours.recv(65536):
                    channel.sendall(data)
            channel.close()

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        with contextlib.suppress(OSError):
            while data := channel.recv(65536):
                ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        answering.join()
        ours.close()


def say(text: str = "", errors: str = "", code: int = 0) -> Program:
    """Return a program that says something and ends."""

    def program(channel: paramiko.Channel, command: str) -> None:
        # Who has heard enough may have gone.
        with contextlib.suppress(OSError, EOFError):
            channel.sendall(text.encode())
            channel.sendall_stderr(errors.encode())
            channel.send_exit_status(code)
            channel.close()

    return program


def keep_silent(channel: paramiko.Channel, command: str) -> None:
    while channel.recv(65536):
        pass
