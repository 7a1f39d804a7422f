"""A port of a test that stays its own."""

from __future__ import annotations

import socket

import pytest

from edged.testing.broker import ReservedPort


def test_a_reserved_port_is_for_who_names_it_and_for_nobody_who_asks_for_any() -> None:
    reserved = ReservedPort()
    address = ("127.0.0.1", reserved.number)
    for _ in range(2):
        with socket.create_server(address), socket.create_connection(address):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(address)
    assert ReservedPort().number != reserved.number
    reserved.release()
