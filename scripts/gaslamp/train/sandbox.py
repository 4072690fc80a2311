"""What a process that runs a model's code may do: limits, no network, no files of the user.

Limits of the kernel on time, memory, size of files and processes; a seccomp filter that refuses sockets; a Landlock
ruleset that leaves only Python's own files readable and one folder writable. What this system lacks of them is said.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

PROCESSES = 64
"""Further processes that the code may start, where the system counts them (it does not for root)."""
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""System calls of Landlock, the same on every processor."""
READ = 0b1101
"""Landlock's rights to execute and read files and to list folders."""
LOCAL = (1 << 13) - 1
"""Every right of Landlock's first version: what is not allowed again below is refused."""


def make_confinement(
    folder: str, seconds: float, memory_mb: int, network: bool, report: Callable[[str], None] = lambda text: None
) -> Callable[[], None]:
    """What to call in a new process, before its program starts.

    Args:
        folder: the one that it may write to.
        seconds: of processor time.
        memory_mb: address space.
        network: leave the network open.
        report: gets one sentence when the files of the user cannot be closed off here.

    Raises:
        ValueError: the network cannot be cut on this system.
    """
    block = None if network else get_network_block()
    close_files = get_file_block(folder)
    if close_files is None:
        report("this system has no Landlock: the code of a completion can read the files that you can read")
    processes = _count_tasks() + PROCESSES

    def confine() -> None:
        for what, value in (
            (resource.RLIMIT_CPU, max(1, round(seconds))),
            (resource.RLIMIT_AS, memory_mb << 20),
            (resource.RLIMIT_FSIZE, 16 << 20),
            (resource.RLIMIT_NOFILE, 64),
            (resource.RLIMIT_NPROC, processes),
            (resource.RLIMIT_CORE, 0),
        ):
            try:
                resource.setrlimit(what, (value, value))
            except (ValueError, OSError):  # macOS has no limit of the address space; a lower limit may stand already
                if what not in (resource.RLIMIT_AS, resource.RLIMIT_NPROC):
                    raise
        if close_files:
            close_files()
        if block:
            block()

    return confine


def _count_tasks() -> int:
    """Processes and threads of this machine: the limit counts those of the user, of which there are no more."""
    try:
        return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].split("/")[1])
    except (OSError, IndexError, ValueError):
        return 10_000


@cache
def get_landlock_version() -> int:
    """Version of Landlock in this kernel; 0: it has none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None, use_errno=True).syscall(CREATE_RULESET, None, 0, 1)))


def get_file_block(folder: str) -> Callable[[], None] | None:
    """A function that closes all files off for good, except Python's own and ``folder``; None without Landlock."""
    if not get_landlock_version():
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    readable = {sys.base_prefix, sys.exec_prefix, str(Path(sys.executable).resolve().parent), "/usr", "/lib", "/lib64"}
    devices = ("/dev/null", "/dev/urandom", "/dev/zero")

    def close_files() -> None:
        ruleset = libc.syscall(CREATE_RULESET, ctypes.byref(ctypes.c_uint64(LOCAL)), 8, 0)
        if ruleset < 0:
            raise OSError(ctypes.get_errno(), "Landlock is not available")
        allowed = [*((path, READ) for path in readable), *((path, 0b110) for path in devices), (folder, LOCAL)]
        for path, rights in allowed:
            try:
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue  # this system has no such folder
            # struct landlock_path_beneath_attr is packed: __u64 rights, __s32 descriptor
            rule = struct.pack("=Qi", rights, place)
            if libc.syscall(ADD_RULE, ruleset, 1, rule, 0):
                raise OSError(ctypes.get_errno(), f"Landlock refuses {path}")
            os.close(place)
        if libc.prctl(38, 1, 0, 0, 0) or libc.syscall(RESTRICT_SELF, ruleset, 0):  # 38: PR_SET_NO_NEW_PRIVS
            raise OSError(ctypes.get_errno(), "Landlock is not available")
        os.close(ruleset)

    return close_files


def get_network_block() -> Callable[[], None]:
    """A function that cuts a process off the network for good: a seccomp filter on ``socket`` and ways around it.

    Raises:
        ValueError: not Linux on x86-64 or arm64.
    """
    # audit architecture; numbers of socket, io_uring_setup, setsid, setpgid (the last two: no child leaves the group
    # that is killed)
    known = {"x86_64": (0xC000003E, (41, 425, 112, 109)), "aarch64": (0xC00000B7, (198, 425, 157, 154))}
    if sys.platform != "linux" or platform.machine() not in known:
        raise ValueError(
            f"the network of a process cannot be cut on {sys.platform} {platform.machine()}: set the option "
            "network: true, in a container without network"
        )
    architecture, calls = known[platform.machine()]
    load, equal, above, give = 0x20, 0x15, 0x35, 0x06
    kill, refuse, allow = 0x80000000, 0x00050000 | 1, 0x7FFF0000
    program = [
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        (give, 0, 0, kill),
        (load, 0, 0, 0),
        (above, 0, 1, 0x40000000),
        (give, 0, 0, kill),
    ]  # x32 has other numbers
    for call in calls:
        program += [(equal, 0, 1, call), (give, 0, 0, refuse)]
    program.append((give, 0, 0, allow))
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code, len(code))

    def block() -> None:
        header = struct.pack("HL", len(program), ctypes.addressof(buffer))
        # PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with SECCOMP_MODE_FILTER
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, header, 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp is not available")

    return block
