"""The conversation at a terminal: two questions, the plan, changes of its lines. Each answer is checked at once."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.errors import GaslampError, Interrupted
from gaslamp.guide.answers import check_data, check_task, read_data_answer
from gaslamp.guide.changes import check_change, find_line, split_change
from gaslamp.guide.completion import completing, list_paths
from gaslamp.guide.look import look_at_data
from gaslamp.guide.plan import Line, Plan, Situation
from gaslamp.guide.plugins import get_constant
from gaslamp.guide.recommend import recommend
from gaslamp.guide.show import LETTERS, WIDEST, print_plan

if TYPE_CHECKING:
    from rich.console import Console

Ask = Callable[[str], str]
"""Prints a question and returns what the person types."""

TASK = 'What should the model do, and who will use it? (one sentence; "name: sentence" names the project)'
DATA = "Where is the data? (a file or folder, hub:owner/name, embedded:NAME, or none; < goes back)"
BACK = "<"
QUESTION = "Enter takes the plan, a number or name changes a line (2 or method=dpo){others}, < goes back, q stops"


class Back(Exception):
    """The person wants the two questions again.

    Attributes:
        now: with what was changed so far.
    """

    def __init__(self, now: Situation) -> None:
        super().__init__()
        self.now = now


def stop() -> Interrupted:
    """What is raised when the person ends the conversation."""
    return Interrupted("stopped: nothing was written", "start it again when you like")


def ask_line(ask: Ask, question: str, default: str = "") -> str:
    """What the person types, without spaces at its ends; Enter gives the default.

    Raises:
        Interrupted: the input ended, or Ctrl-C.
    """
    try:
        width = min(WIDEST, shutil.get_terminal_size((100, 24)).columns) - 1
        print("\n".join(textwrap.wrap(f"{question}{f' [{default}]' if default else ''}", width)))
        answer = ask("> ").strip()
    except (EOFError, KeyboardInterrupt):
        print(flush=True)
        raise stop() from None
    return answer or default


def ask_questions(
    ask: Ask, console: Console, task: str, data: str, first: str = "task", folder: Path | None = None
) -> tuple[str, str]:
    """The two questions, each until its answer can be used; ``<`` at the second one goes back to the first.

    Args:
        ask: prints and reads.
        console: for what is wrong.
        task, data: what Enter means.
        first: ``data`` begins with the second question.
        folder: where relative paths start; None: the current folder.
    """
    step = first
    while True:
        try:
            if step == "task":
                answer = ask_line(ask, TASK, task)
                check_task(answer)
                task, step = answer, "data"
            with completing(list_paths):
                answer = ask_line(ask, DATA, data)
            if answer == BACK:
                step = "task"
                continue
            check_data(read_data_answer(answer, folder))
            return task, answer
        except GaslampError as error:
            if isinstance(error, Interrupted):
                raise
            print_error(error, console)


def print_error(error: GaslampError, console: Console) -> None:
    """An error as every script prints it."""
    from rich.text import Text

    console.print(Text(str(error)), style="red")


def converse(ask: Ask, console: Console, now: Situation, folder: Path | None = None) -> tuple[Situation, Plan]:
    """Show the plan and change it until the person takes it.

    Args:
        ask: prints and reads.
        console: for everything else.
        now: what the first plan is made from.
        folder: where relative paths start; None: the current folder.

    Raises:
        Interrupted: the person stopped.
    """
    while True:
        try:
            return settle(ask, console, now)
        except Back as back:
            task, data = ask_questions(ask, console, now.task, now.data.answer, folder=folder)
            answer = read_data_answer(data, folder)
            now = replace(back.now, task=task, data=answer, look=look_at_data(answer))


def settle(ask: Ask, console: Console, now: Situation) -> tuple[Situation, Plan]:
    """Show the plan and change its lines until the person takes it.

    Raises:
        Back: the two questions come again.
    """
    plan = recommend(now)
    print_plan(plan, console)
    while True:
        letters = [letter for letter, way in zip(LETTERS, plan.alternatives, strict=False) if way.changes]
        others = f", {' '.join(letters)} another way" if letters else ""
        typed = ask_line(ask, QUESTION.format(others=others))
        if not typed:
            return now, plan
        if typed == BACK:
            raise Back(now)
        if typed.lower() in ("q", "quit", "exit"):
            raise stop()
        try:
            changed = _change(ask, console, plan, typed)
            fresh = replace(now, wanted={**now.wanted, **changed})
            plan, now = recommend(fresh), fresh
        except GaslampError as error:
            if isinstance(error, Interrupted):
                raise
            print_error(error, console)
            continue
        if changed:
            print_plan(plan, console)


def _change(ask: Ask, console: Console, plan: Plan, typed: str) -> dict[str, str]:
    """The changes that an answer means: of one line, or of an alternative."""
    if len(typed) == 1 and typed.lower() in LETTERS[: len(plan.alternatives)]:
        way = plan.alternatives[LETTERS.index(typed.lower())]
        if not way.changes:
            raise GaslampError(f"{way.title}: {way.reason}", "Enter takes the plan, another letter another way")
        return dict(way.changes)
    name, value = split_change(typed)
    line = find_line(name, plan)
    if value:
        return {line.name: check_change(line, value)}
    if line.name == "tier":
        check_change(line, "")
    return _ask_value(ask, console, line)


def _ask_value(ask: Ask, console: Console, line: Line) -> dict[str, str]:
    """The new value of a line; none when the person keeps the old one."""
    from rich.text import Text

    if line.options:
        console.print(Text.assemble((f"{line.name} can be: ", "cyan"), list_options(line)))
    while True:
        with completing(lambda _: list(line.options)):
            value = ask_line(ask, f"{line.name}, Enter keeps {line.value}")
        if not value or value == BACK:
            return {}
        try:
            return {line.name: check_change(line, value)}
        except GaslampError as error:
            print_error(error, console)


def list_options(line: Line) -> str:
    """What a line can be: methods with their titles, the meanings of columns with numbers, else the names."""
    if line.name == "method":
        titles = {name: get_constant("methods", name, "TITLE", "") for name in line.options}
        return ", ".join(f"{name} ({title})" if title else name for name, title in titles.items())
    if line.name == "columns":
        return "".join(f"\n  {number}  {key}" for number, key in enumerate(line.options, 1))
    return _join(line.options)


def _join(options: Sequence[str]) -> str:
    return ", ".join(options)


def apply_wanted(now: Situation, changes: dict[str, str], folder: Path | None = None) -> tuple[Situation, Plan]:
    """The plan with changes that were named on the command line, each checked.

    Raises:
        GaslampError: a line or a value that there is not.
    """
    plan = recommend(now)
    for name, value in changes.items():
        line = find_line(name, plan)
        now = replace(now, wanted={**now.wanted, line.name: check_change(line, value, folder)})
        plan = recommend(now)
    return now, plan
