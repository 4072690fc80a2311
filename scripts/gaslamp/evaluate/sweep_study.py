"""A sweep that Optuna steers: each point is chosen by the results of those before it (``sweep.how: tpe``).

The study lies on the disk of the project, so that one that was killed goes on; which points it requested is in a file
of its own, which config/sweep_points.py reads.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.sections.sweep import Sweep
from gaslamp.config.sweep_points import REQUESTED, get_name
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json, write_json
from gaslamp.core.sweep_contracts import SweepFacts

if TYPE_CHECKING:
    from optuna import Study, Trial

STORAGE = Path("outputs/sweep.journal")
TRIES = 20
"""Proposals in a row that are points already, before the search ends: a small space is exhausted."""


def open_study(sweep: Sweep, folder: Path = Path()) -> Study:
    """The study of the project, made when there is none; its values are so that more is better.

    Args:
        sweep: of the config.
        folder: the project.

    Raises:
        GaslampError: optuna is not installed.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise GaslampError("sweep.how needs the package optuna", "make setup", "sweep.how: random needs none") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers = {"tpe": optuna.samplers.TPESampler, "gp": optuna.samplers.GPSampler, "qmc": optuna.samplers.QMCSampler}
    # a sampler that starts again with its seed would propose its first points again; qmc counts the trials itself
    seed = sweep.seed if sweep.how == "qmc" else (sweep.seed + len(read_requested(folder))) % 2**32
    (folder / STORAGE).parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", optuna.exceptions.ExperimentalWarning
        )  # of QMCSampler, which is there since 3.0
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(folder / STORAGE))),
            study_name="sweep",
            direction="maximize",
            sampler=samplers[sweep.how](seed=seed),
            load_if_exists=True,
        )


def ask(study: Study, sweep: Sweep, folder: Path = Path()) -> str | None:
    """Choose one more point and add it to the file of points; ``None`` where only known ones are proposed.

    A proposal that is a point already gets its result at once, so that the sampler looks elsewhere.
    """
    requested = read_requested(folder)
    known = {str(one["name"]): one for one in requested}
    for _ in range(TRIES):
        trial = study.ask()
        changes: JsonObject = {key: _suggest(trial, key, values) for key, values in sweep.over.items()}
        name = get_name(changes)
        if name not in known:
            write_json(folder / REQUESTED, [*requested, {"number": trial.number, "name": name, "changes": changes}])
            return name
        first = study.trials[int(known[name]["number"])]
        _report(study, trial.number, first.value)
    say(f"the last {TRIES} proposals are points already: {len(requested)} points are all that sweep.over has")
    return None


def report_results(study: Study, facts: SweepFacts, folder: Path = Path()) -> int:
    """Report the results of points that the study waits for; returns how many there were."""
    results = {point.run: point for point in facts.points}
    count = 0
    for one in read_requested(folder):
        point = results.get(str(one["name"]))
        if point is None or study.trials[int(one["number"])].state.is_finished():
            continue
        value = point.score if point.score is not None else point.loss
        _report(study, int(one["number"]), value if value is None or facts.higher else -value)
        count += 1
    return count


def read_requested(folder: Path = Path()) -> list[JsonObject]:
    """The points that the study requested, first things first: number of the trial, name, changes."""
    file = folder / REQUESTED
    requested: list[JsonObject] = read_json(file) if file.is_file() else []
    return requested


def _suggest(trial: Trial, key: str, values: object) -> object:
    """One value; of a list by its place, since a study stores no lists or mappings."""
    if isinstance(values, list):
        return values[trial.suggest_categorical(key, list(range(len(values))))]
    assert isinstance(values, dict)
    if isinstance(values["low"], int) and isinstance(values["high"], int):
        return trial.suggest_int(key, values["low"], values["high"], log=bool(values.get("log")))
    drawn = trial.suggest_float(key, float(values["low"]), float(values["high"]), log=bool(values.get("log")))
    return float(f"{drawn:.3g}")


def _report(study: Study, number: int, value: float | None) -> None:
    """The result of a trial; ``None``: it has none, and the sampler is to forget it."""
    from optuna.trial import TrialState

    if value is None:
        study.tell(number, state=TrialState.FAIL)  # words: ok
    else:
        study.tell(number, value)  # words: ok
