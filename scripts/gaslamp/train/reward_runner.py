"""Rewards of a project: found by name, checked before training, run in a process of their own, summed by weight.

Training and evaluation both use this. A reward that raises, hangs, crashes or returns something else than finite
numbers stops the run with the row, the completion and the line of the reward.
"""

from __future__ import annotations

import ast
import atexit
import difflib
import json
import math
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import Message, Row
from gaslamp.train import reward_worker

RewardFunction = Callable[..., list[float]]
"""A reward as TRL calls it: prompts, completions and columns as keywords -> one score for each completion."""
RewardEntry = Mapping[str, Any]
"""One entry of ``train.rewards`` as plain values."""
TIMEOUT = 20.0  # seconds for one row (for all rows with score_all) where the reward sets no TIMEOUT of its own
LOADING = 120.0  # seconds for the first row of a reward, which imports its packages, at least


@dataclass(frozen=True)
class Reward:
    """One entry of ``train.rewards``."""

    name: str
    label: str  # name of its values in metrics: rewards/<label>/mean
    weight: float
    options: dict[str, Any]
    timeout: float


def load_rewards(settings: Sequence[RewardEntry]) -> list[Reward]:
    """The rewards of ``train.rewards``.

    Reads the files of the rewards and runs none of them: the config is checked with this at every start.

    Args:
        settings: entries with ``name`` and optionally ``weight`` (1), ``options`` and ``label``.

    Raises:
        GaslampError: all that is wrong with them at once: unknown names and options, doubled labels, weights that are
            all 0.
    """
    rewards, problems = [], []
    for entry in settings:
        name, options = entry["name"], dict(entry.get("options") or {})
        file = registry.find("rewards", name)
        if file is None:
            near = difflib.get_close_matches(name, registry.names("rewards"), n=2)
            problems.append(
                f"there is no reward named '{name}'" + (f", did you mean {' or '.join(near)}?" if near else "")
            )
            continue
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except SyntaxError as error:
            problems.append(f"{file}, line {error.lineno}: {error.msg}")
            continue
        problems += _find_problems(name, tree, options)
        rewards.append(
            Reward(name, entry.get("label") or name, float(entry.get("weight", 1.0)), options, _get_timeout(tree))
        )
    labels = [reward.label for reward in rewards]
    problems += [
        f"two rewards are called '{label}': give one of them a label"
        for label in sorted({label for label in labels if labels.count(label) > 1})
    ]
    if rewards and not any(reward.weight for reward in rewards):
        problems.append("every weight is 0: nothing would be rewarded")
    if not settings:
        problems.append("there is no reward")
    if problems:
        raise GaslampError(
            "train.rewards: " + "; ".join(problems),
            "fix these entries; rewards are " + ", ".join(registry.names("rewards")),
            "a reward of your own is a file rewards/NAME.py with score(prompt, completion, row, **options) -> float",
        )
    return rewards


def _find_problems(name: str, tree: ast.Module, options: dict[str, Any]) -> list[str]:
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    function = functions.get("score_all") or functions.get("score")
    if function is None:
        bound = {
            alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        return (
            []
            if bound & {"score", "score_all"}
            else [f"rewards/{name}.py has no function score(prompt, completion, row)"]
        )
    arguments = function.args
    if arguments.kwarg:
        return []
    places = [*arguments.posonlyargs, *arguments.args]
    required = {item.arg for item in places[: len(places) - len(arguments.defaults)]}
    required |= {
        item.arg for item, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    }
    known = [item.arg for item in [*places[3:], *arguments.kwonlyargs]]
    unknown = [
        f"{name} has no option '{key}' (it has: {', '.join(known) or 'none'})" for key in options if key not in known
    ]
    return unknown + [f"{name} needs the option {key}" for key in known if key in required and key not in options]


def _get_timeout(tree: ast.Module) -> float:
    """``TIMEOUT`` of a reward's file, when it is a plain number there."""
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and any(isinstance(t, ast.Name) and t.id == "TIMEOUT" for t in node.targets)
        ):
            return float(node.value.value)  # type: ignore[arg-type]
    return TIMEOUT


def get_total(rewards: Sequence[Reward], scores: Mapping[str, Sequence[float]]) -> list[float]:
    """The weighted sum of each completion's scores (label -> one score for each completion)."""
    return [
        sum(reward.weight * value for reward, value in zip(rewards, values, strict=True))
        for values in zip(*(scores[r.label] for r in rewards), strict=True)
    ]


class Scorer:
    """Scores completions, in one process of its own that lives as long as this object.

    Args:
        rewards: what load_rewards made.
    """

    def __init__(self, rewards: Sequence[Reward]) -> None:
        self.rewards = list(rewards)
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._warm: set[str] = set()  # rewards that have scored a row in this process

    def score(
        self, prompts: Sequence[list[Message]], completions: Sequence[str], rows: Sequence[Row]
    ) -> dict[str, list[float]]:
        """Label -> one score for each completion, unweighted; each completion is scored with its own prompt and row."""
        return {reward.label: self.score_one(reward, prompts, completions, rows) for reward in self.rewards}

    def score_one(
        self, reward: Reward, prompts: Sequence[list[Message]], completions: Sequence[str], rows: Sequence[Row]
    ) -> list[float]:
        """The scores of one reward.

        Raises:
            GaslampError: it raised, hung, ended its process, or gave no finite number; names row, completion and line.
        """
        if not len(prompts) == len(completions) == len(rows):
            raise ValueError(
                f"{len(prompts)} prompts, {len(completions)} completions and {len(rows)} rows: they must be as many"
            )
        process = self._start()
        request = {
            "name": reward.name,
            "options": reward.options,
            "prompts": list(prompts),
            "completions": list(completions),
            "rows": list(rows),
        }
        assert process.stdin
        try:
            process.stdin.write(json.dumps(request, ensure_ascii=False) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # the missing answer shows it below
        scores: list[float] = []

        def get_waiting() -> float:
            return reward.timeout if reward.name in self._warm else max(reward.timeout, LOADING)

        waiting = get_waiting()
        while len(scores) < len(rows):
            at = len(scores)
            try:
                line = self._answers.get(timeout=waiting)
            except queue.Empty:
                self.close()
                raise _get_error(
                    reward, f"gave no score within {waiting:g} seconds", None, rows, completions, at
                ) from None
            if line is None:
                code = process.wait()
                self.close()
                raise _get_error(
                    reward,
                    f"ended its process ({'signal ' + str(-code) if code < 0 else 'exit code ' + str(code)})",
                    None,
                    rows,
                    completions,
                    at,
                )
            answer = json.loads(line)
            if "error" in answer:
                self.close()
                raise _get_error(
                    reward, f"failed: {answer['error']}", answer["where"], rows, completions, answer["row"]
                )
            if "score" in answer:
                scores.append(answer["score"])
                self._warm.add(reward.name)
            waiting = get_waiting()
        if not rows:
            self._answers.get(timeout=waiting)
        return scores

    def get_functions(self) -> list[RewardFunction]:
        """One function for each reward, as TRL's trainers take them.

        The data set needs a column ``row`` with the row as JSON.
        """

        def bind(reward: Reward) -> RewardFunction:
            def function(
                prompts: Sequence[Any], completions: Sequence[Any], row: Sequence[str], **_: Any
            ) -> list[float]:
                texts = [text if isinstance(text, str) else text[-1]["content"] for text in completions]
                whole = [json.loads(text) for text in row]
                return self.score_one(reward, [w["prompt"] for w in whole], texts, whole)

            function.__name__ = reward.label
            return function

        return [bind(reward) for reward in self.rewards]

    def close(self) -> None:
        """End the process; a later score starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _start(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._answers, self._warm = queue.Queue(), set()
            path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
            # a session of its own: Ctrl-C saves a checkpoint first, and the running step still needs the rewards
            self._process = subprocess.Popen(
                [sys.executable, "-m", reward_worker.__name__],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
            threading.Thread(target=_read, args=(self._process, self._answers), daemon=True).start()
            atexit.register(self.close)
        return self._process


def _read(process: subprocess.Popen[str], answers: queue.Queue[str | None]) -> None:
    assert process.stdout
    for line in process.stdout:
        answers.put(line)
    answers.put(None)


def _get_error(
    reward: Reward, what: str, where: str | None, rows: Sequence[Row], completions: Sequence[str], at: int | None
) -> GaslampError:
    place = ""
    if at is not None and at < len(rows):
        text = completions[at]
        place = f"\n  row: {rows[at].get('id', at)}\n  completion: {text[:300]!r}{' ...' if len(text) > 300 else ''}"
    return GaslampError(
        f"the reward '{reward.label}' {what}" + (f" ({where})" if where else "") + place,
        "fix the reward, or its options in train.rewards, so that every completion gets a finite number",
        "fix that row of the data; a reward that needs longer sets TIMEOUT (seconds) in its file",
    )


def summarize(scores: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """``rewards/<label>/mean`` and ``/std`` of each reward, under the names that training logs."""
    summary = {}
    for label, values in scores.items():
        mean = sum(values) / len(values)
        summary[f"rewards/{label}/mean"] = mean
        summary[f"rewards/{label}/std"] = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    return summary
