"""Free ports of this machine."""

from __future__ import annotations

import socket

from gaslamp.core.errors import GaslampError


def get_private_port() -> int:
    """A free port that the system picks, for a server that only this process uses.

    Not the next one from 8081: two runs that start at the same moment would both take it, and one would prompt the
    model of the other.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get_free_port(first: int, tries: int = 100) -> int:
    """The first port from ``first`` on that can be bound on 127.0.0.1.

    Raises:
        GaslampError: none of ``tries`` ports can.
    """
    with hold_port(first, tries) as held:
        return get_number(held)


def hold_port(first: int, tries: int = 100) -> socket.socket:
    """The first port from ``first`` on, taken at once: a listening socket to hand to the program that will serve it.

    A port that was only found free may belong to another program a moment later, and that one's answers would be taken
    for those of the server that was meant to start there.

    Raises:
        GaslampError: none of ``tries`` ports can be taken.
    """
    for port in range(first, min(first + tries, 65536)):
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", port))
            held.listen(512)  # two sockets that only bind can have the same port
        except OSError:
            held.close()
            continue
        return held
    if tries == 1:
        raise GaslampError(
            f"port {first} on 127.0.0.1 is taken by another program",
            "stop that program (make stop when it is this project's server), or choose another port",
        )
    raise GaslampError(
        f"no free port from {first} to {first + tries - 1} on 127.0.0.1",
        "stop the servers you no longer need (make stop in their projects) and run the same command",
    )


def get_number(held: socket.socket) -> int:
    """The port of a socket."""
    return int(held.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether ``port`` can be bound on 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
