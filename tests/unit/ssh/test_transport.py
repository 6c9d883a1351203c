"""Transports: the ciphers that they ask for, and their end."""

from __future__ import annotations

import socket
import time

import paramiko
import pytest

from hawser.ssh.transport import PatientTransport

GCM = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]


@pytest.mark.parametrize(
    ("disabled", "first"), [([], GCM), (GCM[:1], [GCM[1], "aes128-ctr"]), (GCM, ["aes128-ctr", "aes192-ctr"])]
)
def test_ciphers_that_authenticate_come_first_and_the_others_stay(disabled: list[str], first: list[str]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        asked = list(PatientTransport(ours, {"ciphers": disabled}).preferred_ciphers)
        usual = list(paramiko.Transport(theirs, disabled_algorithms={"ciphers": disabled}).preferred_ciphers)
    assert asked[:2] == first
    assert sorted(asked) == sorted(usual)
    assert [each for each in asked if each not in GCM] == [each for each in usual if each not in GCM]


def test_the_thread_that_reads_ends_with_its_transport() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        transport = PatientTransport(ours)
        transport.daemon = True
        transport.active = True
        transport.start()
        time.sleep(0.1)
        began = time.monotonic()
        transport.close()
        transport.join(5)
        assert not transport.is_alive()
        assert time.monotonic() - began < 0.5
