"""What the evaluation checks in the config before anything runs: metrics, target, retention questions."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.problems import Problem
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.core.nearest import get_hint
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.retention import read_retention


def find_problems(config: Config, root: Path) -> list[Problem]:
    """Problems of the section ``eval``; ``root`` is the folder that relative paths start from."""
    settings = config.eval
    problems = [
        Problem(("eval", "metrics"), message)
        for name in settings.metrics
        if (message := registry.find_name_problem("metrics", name))
    ]
    problems += _find_option_problems(settings.options)
    targets = ("adapter", "merged", "endpoint", "f16", *config.export.levels)
    if settings.target not in targets:
        message = f"'{settings.target}' cannot be evaluated here; {get_hint(settings.target, targets)}"
        problems.append(Problem(("eval", "target"), message))
    if settings.target == "endpoint" and not (settings.endpoint.url and settings.endpoint.model):
        problems.append(Problem(("eval", "endpoint"), "target: endpoint needs url and model"))
    if settings.retention_file and not (root / Path(settings.retention_file).expanduser()).is_file():
        message = f"{settings.retention_file}: no such file (looked in {root.resolve()})"
        problems.append(Problem(("eval", "retention_file"), message))
    elif settings.retention_file:
        try:
            read_retention(root / Path(settings.retention_file).expanduser())
        except GaslampError as error:
            problems.append(Problem(("eval", "retention_file"), " ".join(error.cause.split())))
    return problems


def _find_option_problems(options: JsonObject) -> list[Problem]:
    """Options of metrics that do not exist, or do not take them."""
    problems = []
    for name, values in options.items():
        message = registry.find_name_problem("metrics", name)
        if not message:
            try:
                Metric.get(name, values)
            except GaslampError as error:
                message = f"{error.cause}: {error.fix}"
        if message:
            problems.append(Problem(("eval", "options", name), message))
    return problems
