"""Ten real tasks arrive at a sensible config: method, columns, metric, language, theme, length, value by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from gaslamp.config.load import load_config
from gaslamp.guide.answers import check_data, read_data_answer
from gaslamp.guide.look import look_at_data
from gaslamp.guide.plan import Situation
from gaslamp.guide.recommend import recommend
from gaslamp.guide.write import write_config
from machines import CPU
from ten_tasks import TASKS

TEMPLATE = Path(__file__).resolve().parents[3] / "cookiecutter-template" / "{{cookiecutter.__folder}}" / "config.yaml"


def render_template(name: str, source: str) -> str:
    """config.yaml of the template with simple answers."""
    text = TEMPLATE.read_text(encoding="utf-8")
    for key, value in (("__name", name), ("__task", "a task"), ("__audience", ""), ("__data_source", source)):
        text = text.replace("{{ cookiecutter." + key + " | quote }}", f'"{value}"')
    assert "{{" not in text
    return text


@pytest.mark.parametrize("name", TASKS)
def test_a_task_arrives_at_a_sensible_config(name: str, tmp_path: Path) -> None:
    task, make, expected = TASKS[name]
    data = read_data_answer(str(make(tmp_path)))
    check_data(data)
    plan = recommend(Situation(task, data, look_at_data(data), CPU))
    assert {key: plan.get(key).value for key in expected} == expected
    assert all(line.reason for line in plan.lines)
    text = write_config(render_template(name, data.place), plan)
    values = yaml.safe_load(text)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    config = load_config(values, tmp_path / "config.yaml", tmp_path)
    assert config.method == expected["method"] and config.demo.language == expected.get("demo language", "en")
    assert config.project.domain == expected["theme"] and config.train.max_length in (None, "auto")
    for key, value in plan.settings.items():
        section: Any = values
        for part in key.split("."):
            section = section[part]
        assert section == value, key
        if key in plan.reasons:
            written = text.splitlines()
            line = next(
                number
                for number, one in enumerate(written)
                if one.strip().startswith(f"{key.rpartition('.')[2]}:")
                and written[number - 1].strip() == f"# why: {plan.reasons[key]}"
            )
            assert line > 0
