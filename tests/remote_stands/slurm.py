"""A real Slurm of one machine, Debian's slurmctld and slurmd, with files and ports of its own below a folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from gaslamp.core.ports import get_private_port

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun")
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
PATIENCE = 90
CONFIG = """
ClusterName=gaslamp
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=30
SlurmdParameters=config_overrides
MinJobAge=600
ReturnToService=2
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass
class Slurm:
    """A controller and a node with ``cpus`` slots, which may be more than the machine has cores."""

    folder: Path
    cpus: int = 2
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self.host = socket.gethostname().split(".")[0]
        user = psutil.Process().username()
        memory = psutil.virtual_memory().total // 2**20
        controller, node = get_private_port(), get_private_port()
        text = CONFIG.format(
            host=self.host,
            user=user,
            folder=self.folder,
            controller=controller,
            node=node,
            cpus=self.cpus,
            memory=memory,
        )
        self.config.write_text(text, encoding="utf-8")
        program = self.folder / "bin" / "srun"
        program.parent.mkdir()
        lines = f'#!/bin/sh\nSLURM_CONF="{self.config}" exec "{shutil.which("srun", path=PLACES)}" "$@"\n'
        program.write_text(lines, encoding="utf-8")
        program.chmod(0o755)

    @property
    def config(self) -> Path:
        """slurm.conf"""
        return self.folder / "slurm.conf"

    @property
    def environ(self) -> dict[str, str]:
        """What a program needs to find this cluster.

        The plug-in takes SLURM_CONF away from the srun of its job steps, where a cluster has /etc/slurm/slurm.conf: an
        srun in front of the other sets it again.
        """
        return {"SLURM_CONF": str(self.config), "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def start(self, name: str) -> None:
        """Start the controller or the node, in the foreground of a process of ours."""
        program = shutil.which(name, path=PLACES)
        assert program
        options = ["-D", *(["-N", self.host] if name == "slurmd" else [])]
        with (self.folder / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                [program, *options], env={**os.environ, **self.environ}, stdout=out, stderr=out, start_new_session=True
            )

    def stop(self, name: str) -> None:
        """End one of them."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=PATIENCE)

    def ask(self, *command: str) -> str:
        """What a program of Slurm prints."""
        done = subprocess.run(command, env={**os.environ, **self.environ}, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def list_jobs(self) -> dict[str, tuple[str, str]]:
        """Number of each job in the queue -> its state and its comment, which names the rule."""
        lines = self.ask("squeue", "--noheader", "--format", "%i|%T|%k").splitlines()
        return {number: (state, comment) for number, state, comment in (line.split("|", 2) for line in lines)}

    def wait_for(self, what: Callable[[], object]) -> object:
        """Its value, as soon as it is true."""
        end = time.monotonic() + PATIENCE
        while not (found := what()):
            assert time.monotonic() < end, (self.folder / "slurmctld.log").read_text(encoding="utf-8")[-3000:]
            time.sleep(0.2)
        return found


def require_slurm() -> None:
    """Skip where the programs or the plug-in of Snakemake are missing."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=PLACES)]
    if missing:
        pytest.skip(f"needs Debian's slurmctld, slurmd and slurm-client: {', '.join(missing)} missing")
    if subprocess.run([sys.executable, "-c", "import snakemake_executor_plugin_slurm"], check=False).returncode:
        pytest.skip("needs the extra slurm")


@contextmanager
def serve_slurm(folder: Path, cpus: int = 2) -> Iterator[Slurm]:
    """A cluster that runs jobs, until the block ends."""
    require_slurm()
    cluster = Slurm(folder, cpus)
    try:
        cluster.start("slurmctld")
        cluster.wait_for(lambda: cluster.ask("sinfo", "--noheader"))
        cluster.start("slurmd")
        cluster.wait_for(lambda: "idle" in cluster.ask("sinfo", "--noheader", "--format", "%T"))
        yield cluster
    finally:
        cluster.ask("scancel", "--user", psutil.Process().username())
        for name in ("slurmd", "slurmctld"):
            if name in cluster.processes:
                cluster.stop(name)
