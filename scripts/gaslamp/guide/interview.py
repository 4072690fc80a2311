"""The interview as cookiecutter runs it: the two answers are checked, the plan is shown, and at a terminal settled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from gaslamp.core.errors import GaslampError
from gaslamp.guide.answers import check_data, check_task, read_data_answer
from gaslamp.guide.dialogue import Ask, apply_wanted, ask_questions, converse, print_error
from gaslamp.guide.plan import PlanFacts, to_facts
from gaslamp.guide.show import make_console, print_plan
from gaslamp.guide.situation import look_around


class Outcome(TypedDict):
    """What the project is made from."""

    task: str
    data: str  # the answer
    source: str  # the value of data.source
    path: str  # the file or folder to copy; empty when there is none
    wanted: dict[str, str]
    plan: PlanFacts


def hold(task: str, data: str, wanted: Mapping[str, str], ask: Ask | None) -> Outcome:
    """Check both answers, show the plan, and settle it when somebody is there.

    Args:
        task, data: the two answers.
        wanted: lines of the plan that the command line names.
        ask: prints a question and reads the answer; None: nobody is there, the recommendation is taken.

    Raises:
        GaslampError: an answer that cannot be used, and nobody to ask; Interrupted when the person stops.
    """
    console = make_console()
    problem = find_problem(task, data)
    if problem and ask is None:
        raise problem[1]
    if problem and ask is not None:
        first, error = problem
        print_error(error, console)
        task, data = ask_questions(
            ask, console, "" if first == "task" else task, "" if first == "data" else data, first
        )
    now, plan = apply_wanted(look_around(task, data), dict(wanted))
    if ask is not None:
        now, plan = converse(ask, console, now)
    else:
        print_plan(plan, console)
    return {
        "task": now.task,
        "data": now.data.answer,
        "source": now.data.source,
        "path": now.data.path,
        "wanted": dict(now.wanted),
        "plan": to_facts(plan),
    }


def find_problem(task: str, data: str) -> tuple[str, GaslampError] | None:
    """Which of the two answers cannot be used, and why; None when both can."""
    try:
        check_task(task)
    except GaslampError as error:
        return "task", error
    try:
        check_data(read_data_answer(data))
    except GaslampError as error:
        return "data", error
    return None
