"""Free ports of this machine."""

from __future__ import annotations

import socket


def get_private_port() -> int:
    """A free port that the system picks, for a server that only this process uses.

    Not the next one from 8081: two runs that start at the same moment would both take it, and one would prompt the
    model of the other.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
