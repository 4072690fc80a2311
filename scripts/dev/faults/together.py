"""Two runs of one project, and two projects on the same caches and memory, at the same time."""

from __future__ import annotations

import random
import threading
import time

import tiny

from faults.bench import Bench, Trial, check_output, remove

ABOUT = "two runs of one project, and two projects with the same caches and memory, at the same time"


def run(bench: Bench, random: random.Random) -> Trial:
    """Two commands at once."""
    return run_twice(bench, random) if random.random() < 0.5 else run_two_projects(bench, random)


def run_twice(bench: Bench, random: random.Random) -> Trial:
    """One of two runs of a project is refused, and says why; the other ends well."""
    with bench.copy("together") as project:
        pause = random.choice((0.0, random.uniform(0, 8)))
        trial = Trial(f"from {bench.cut(project, random)} on, a second run {pause:.1f} s after the first")
        first, second = bench.start(project), None
        time.sleep(pause)
        second = bench.start(project)
        ends = [bench.wait(one) for one in (first, second)]
        for done in ends:
            check_output(done, trial, must_end_well=False)
        if all(done.returncode for done in ends):
            trial.problems.append("both runs failed")
        for done in ends:
            if done.returncode and "a run of this project is alive" not in done.stdout:
                trial.problems.append(f"the refused run does not say why: {done.stdout[-500:]}")
        bench.finish(project, trial)
        return trial


def run_two_projects(bench: Bench, random: random.Random) -> Trial:
    """Two projects make the same files of the caches, and remember in the same folder; both end well."""
    with bench.copy("together") as project:
        other = tiny.copy_project(project, project.parent / "other")
        trial = Trial(f"two projects at once, from {bench.cut(project, random)} on")
        for one in (project, other):
            for name in ("outputs/main", "checkpoints/main", "logs/main", "resources/models"):
                remove(one / name)
        remove(bench.folder / "cache" / "trials")
        home = project.parent / "home"
        trials = [Trial(""), Trial("")]
        threads = [
            threading.Thread(target=bench.finish, args=(one, each), kwargs={"home": home})
            for one, each in zip((project, other), trials, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        trial.problems = [problem for each in trials for problem in each.problems]
        return trial
