"""The remote part of the preflight: what the driver lacks, and whether its machine answers; cheap, so it is first."""

from __future__ import annotations

import os

from gaslamp.config.backends import get_backend, is_remote
from gaslamp.environment.findings import Findings, Problem, Request
from gaslamp.remote.driver import get_driver, is_manual
from gaslamp.remote.session import get_driver_name
from gaslamp.remote.setup import find_step_problem


def check_remote(request: Request, found: Findings) -> None:
    """Problems of section ``remote``; none where the backend trains here."""
    settings = request.settings
    if not is_remote(settings.backend) or not get_backend(settings.backend).BUILT:
        return
    name = get_driver_name(settings)
    driver = get_driver(name)
    problems = driver.find_problems(settings)
    if settings.remote.hf_token and not os.environ.get("HF_TOKEN"):
        problems.append(
            Problem(
                "remote.hf_token is true and HF_TOKEN is not set in this terminal",
                "export HF_TOKEN=... before the run, or set remote.hf_token: false",
            )
        )
    chosen, later = settings.remote.backend, (settings.remote.evaluate, settings.remote.export)
    if chosen != "auto" and "there" in later and (wrong := find_step_problem(chosen)):
        problems.append(Problem(*wrong))
    if settings.remote.image and not getattr(driver, "IMAGES", False):
        problems.append(
            Problem(
                f"remote.image is set, and the driver {name} runs no container images",
                "set remote.image: null: an environment is made there then",
            )
        )
    if not problems and not is_manual(name) and (check := getattr(driver, "check_machine", None)):
        problems += check(settings)
    found.problems += problems
