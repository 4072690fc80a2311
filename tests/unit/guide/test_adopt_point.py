"""A point of a sweep taken over into config.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from gaslamp.config.schema import Config
from gaslamp.config.sweep_points import get_sweep_points
from gaslamp.core.errors import GaslampError
from gaslamp.guide.adopt_point import plan_adoption, write_adoption

CONFIG = """\
run: main # the name
train:
  learning_rate: auto # the rate
  lora: {r: 16, alpha: 4}
sweep:
  over: # what differs
    train.learning_rate: [1e-4, 5e-4]
    train.lora.r: [8, 64]
  points: [{name: "17", train.packing: true, train.lora.rank_pattern: {down_proj: 4}}]
"""


@pytest.mark.parametrize("run", ["lr5e-4-r8", "lr1e-4-r64", "17"])
def test_the_config_of_the_point_without_the_sweep(tmp_path: Path, run: str) -> None:
    """What the rules depend on is the same before and after, so that nothing is made again."""
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    point = Config.model_validate({**yaml.safe_load(CONFIG), "run": run})
    planned = plan_adoption(tmp_path, run)
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == CONFIG, "nothing is written yet"
    write_adoption(tmp_path, planned)
    values = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert Config.model_validate(values).model_dump() == point.model_dump()
    assert get_sweep_points(values) == {} and "# the name" in planned.after and "# the rate" in planned.after
    with pytest.raises(GaslampError, match=r"config\.yaml has no sweep"):
        plan_adoption(tmp_path, run)


def test_a_point_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    with pytest.raises(GaslampError, match="did you mean 'lr5e-4-r8'"):
        plan_adoption(tmp_path, "lr5e-4-r9")
