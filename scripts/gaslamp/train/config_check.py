"""What training checks in the config before anything runs: the method's options, the adapter, rewards, interpreter."""

from __future__ import annotations

import shutil
from pathlib import Path

from gaslamp.config.backends import can_use_processes, is_remote
from gaslamp.config.methods import find_option_problems, get_adapters, get_method, is_packing_allowed
from gaslamp.config.problems import Problem
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.train import lora
from gaslamp.train.reward_runner import load_rewards

LONGEST_RUN = 57  # with -seed10, 64


def find_problems(config: Config, root: Path) -> list[Problem]:
    """Problems of the section ``train`` and of ``train_python``."""
    method, train = config.method, config.train
    problems = [
        Problem(("train", "options", *path), message) for path, message in find_option_problems(method, train.options)
    ]
    if train.processes > 1 and not can_use_processes(config.backend):
        problems.append(Problem(("train", "processes"), f"{config.backend} trains in one process: set it to 1"))
    if is_remote(config.backend):
        wrong = [("train", "seeds")] if train.seeds > 1 else []
        message = f"{config.backend} trains one run at a time: leave it out, or train on this machine"
        problems += [Problem(place, message) for place in (*wrong, *([("sweep",)] if config.sweep.is_on else []))]
    if train.seeds > 1 and len(config.run) > LONGEST_RUN:
        message = (
            f"{config.run} is too long a name for runs such as {config.run}-seed2: {LONGEST_RUN} characters at most"
        )
        problems.append(Problem(("run",), message))
    if train.adapter not in get_adapters(method):
        able = [name for name in registry.names("methods") if train.adapter in get_adapters(name)]
        message = f"the method {method} trains an adapter only; full fine-tuning works with {', '.join(able)}"
        problems.append(Problem(("train", "adapter"), message))
    if train.packing and not is_packing_allowed(method):
        able = [name for name in registry.names("methods") if is_packing_allowed(name)]
        problems.append(Problem(("train", "packing"), f"the method {method} cannot pack rows; {', '.join(able)} can"))
    problems += [
        Problem(("train", *path), message)
        for path, message in lora.find_setting_problems(method, config.backend, train.model_dump())
    ]
    if find_setting_problems := getattr(get_method(method), "find_setting_problems", None):
        problems += [Problem(("train", *path), message) for path, message in find_setting_problems(train)]
    if train.rewards:
        try:
            load_rewards([reward.model_dump() for reward in train.rewards])
        except GaslampError as error:
            problems.append(Problem(("train", "rewards"), error.cause.removeprefix("train.rewards: ")))
    if config.train_python and not shutil.which(Path(config.train_python).expanduser()):
        problems.append(Problem(("train_python",), f"{config.train_python}: no such program"))
    return problems
