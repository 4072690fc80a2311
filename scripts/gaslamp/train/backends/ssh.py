"""Train on a machine that you reach by SSH (remote.host); what trains there is the backend that fits it."""

from __future__ import annotations

from gaslamp.train.remote_backend import *  # noqa: F403 - all but the names is the same wherever it trains

MACHINE = "a machine that you reach by SSH"
DRIVER = "ssh"
PROCESSES = True
