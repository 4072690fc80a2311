"""The words of OpenSSH: a script that every login shell reads alike, and what its errors mean."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from gaslamp.remote.driver import RemoteError

FAULTS = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key of {host} is another one than at your last connection",
        "if the machine was set up again: {forget}, then ssh {shown} once and compare the key it shows",
        "somebody stands between you and the machine: do not connect before you know",
    ),
    (
        r"Host key verification failed|No .* host key is known",
        "the host key of {host} is not known to this machine",
        "run ssh {shown} once, compare the key it shows with the one of your provider, and answer yes",
        None,
    ),
    (  # before the refused key, which ssh prints too
        r"Bad owner or permissions|UNPROTECTED PRIVATE KEY|bad permissions",
        "ssh refuses a file of yours that others can read{named}",
        "chmod 600 that file (ssh {shown} names it)",
        None,
    ),
    (
        r"Bad configuration option|bad configuration options|Can't open user config file",
        "ssh cannot read its settings{named}",
        "correct that file; ssh {shown} must work in a terminal",
        None,
    ),
    (
        r"Permission denied|Too many authentication failures|no mutual signature|sign_and_send_pubkey",
        "{host} does not accept your key",
        "put your public key there (ssh-copy-id {copied}, or your provider's page); set remote.user and remote.key",
        "the key has a passphrase: ssh-add it first (ssh asks nothing while a run is under way)",
    ),
    (
        r"Could not resolve hostname",
        "there is no host {host}",
        "correct remote.host in config.yaml; ssh {shown} must work in a terminal",
        "the network here has no name server: check the connection",
    ),
)
"""What ssh prints -> cause, usual fix, less likely fix; a person must act."""
NAMED = r"Permissions \d+ for '.+?'|Bad owner or permissions on \S+|.+: line \d+: .+|Can't open .+"
"""Where ssh names the file that it means."""


def in_any_shell(script: str) -> str:
    """A script of sh as a command that every login shell starts alike: sshd gives it to the shell of the user.

    fish and csh have other words for groups and redirections, and read quotes in other ways: what they would change
    in single quotes travels as octal numbers.
    """
    sent = "".join(f"\\0{ord(one):03o}" if one in "'\\\n!" else one for one in script)
    return f"""exec sh -c 'eval "$(printf %b "$1")"' sh '{sent}'"""


def explain(said: str, host: str, flags: Sequence[str]) -> RemoteError:
    """The fault of ssh itself, by its own words.

    Args:
        said: its standard error.
        host: as it was called.
        flags: options that it was called with (-F, -p, -l, -i, each with a value).
    """
    shown, named = shlex.join([*flags, host]), re.search(NAMED, said)
    names = {
        "host": host,
        "shown": shown,
        "copied": get_copying(host, flags),
        "forget": get_forgetting(said, host, flags),
        "named": f": {named[0].strip()}" if named else "",
    }
    for mark, cause, fix, other in FAULTS:
        if re.search(mark, said):
            return RemoteError("auth", cause.format(**names), fix.format(**names), other and other.format(**names))
    last = (said.strip().splitlines() or ["the connection ended without a word"])[-1]
    if "UNKNOWN port" in last:  # ssh hides what the ssh of the jump said
        return RemoteError(
            "network",
            f"the way to {host} is cut, by the ProxyJump or ProxyCommand of your ssh settings",
            f"ssh {shown} says why: the machine in between is down, or its host key is unknown",
        )
    return RemoteError(
        "network",
        f"no connection to {host}: {last[:300]}",
        "check that the machine runs and that its address and port did not change, then run the same command",
        "a firewall between here and there",
    )


def get_copying(host: str, flags: Sequence[str]) -> str:
    """Arguments of ssh-copy-id, which has no -l."""
    values = dict(zip(flags[::2], flags[1::2], strict=True))
    user = f"{name}@" if (name := values.pop("-l", "")) else ""
    return shlex.join([*(part for pair in values.items() for part in pair), f"{user}{host}"])


def get_forgetting(said: str, host: str, flags: Sequence[str]) -> str:
    """The command that removes the known key: ssh prints it, with the file and the name behind an alias."""
    if found := re.search(r"ssh-keygen -f \S+ -R \S+", said):
        return found[0]
    port = dict(zip(flags[::2], flags[1::2], strict=True)).get("-p", "22")
    name = host if port == "22" else f"'[{host}]:{port}'"
    return f"ssh-keygen -R {name}"
