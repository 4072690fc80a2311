"""A point of a sweep taken over into config.yaml: its name, its values, and no sweep any more."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

from gaslamp.config.edit import list_changes, put_line
from gaslamp.config.load import load_config
from gaslamp.config.points import add_part
from gaslamp.config.sweep_points import get_sweep_points
from gaslamp.config.yaml_file import read_yaml
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_text
from gaslamp.core.nearest import get_hint
from gaslamp.guide.try_advice import apply_change


@dataclass(frozen=True)
class Adoption:
    """A point, ready to be written: its name, and the text of config.yaml before and after."""

    run: str
    before: str
    after: str

    @property
    def diff(self) -> list[str]:
        """The lines of config.yaml that change."""
        return list_changes(self.before, self.after)


def plan_adoption(project: Path, run: str) -> Adoption:
    """The config of the point ``run``; what it trained stays its own, and nothing of it is made again.

    Raises:
        GaslampError: config.yaml has no sweep, or no such point.
    """
    import yaml

    file = project / "config.yaml"
    values, text = read_yaml(file), file.read_text(encoding="utf-8-sig")
    points = get_sweep_points(values)
    if not points:
        raise GaslampError(
            "config.yaml has no sweep", "write sweep.over, then make run", "the point is adopted already"
        )
    if run not in points:
        raise GaslampError(f"the sweep has no point {run}; {get_hint(run, points)}", "outputs/sweep.html lists them")
    changed, known = text, copy.deepcopy(values)
    for key, value in add_part(values, points[run]).items():
        changed = apply_change(changed, known, key, value)
    changed = put_line(changed, "run", yaml.safe_dump(run).removesuffix("...\n").strip())
    for key, empty in (("sweep.over", "{}"), ("sweep.points", "[]")):
        changed = put_line(changed, key, empty)
    load_config(yaml.safe_load(changed), root=project)
    return Adoption(run, text, changed)


def write_adoption(project: Path, one: Adoption) -> None:
    """Write config.yaml."""
    write_text(project / "config.yaml", one.after)
