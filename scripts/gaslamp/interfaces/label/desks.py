"""The desks of a project: its rows to correct, and the rows that a model wrote, from its config and files."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.load import load_config, read_yaml
from gaslamp.config.methods import get_method
from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.data.generation.facts import CANDIDATES, REVIEW
from gaslamp.data.review.desk import LabelDesk, ReviewDesk


def read_without_source(file: Path) -> Config:
    """The config, whose source may be missing: rows are written by hand where there is no data yet."""
    values = read_yaml(file)
    data = values.get("data")
    own = {key: value for key, value in data.items() if key not in ("source", "generate")} if data else {}
    return load_config({**values, "data": own}, file)


def open_label_desk(project: Path, run: str | None = None) -> LabelDesk:
    """The rows of a project, the worst answers of a run first.

    Args:
        project: its folder.
        run: whose evaluation decides the order; None: that of config.yaml.

    Raises:
        GaslampError: rows that are written here would not be used, or the method takes none.
    """
    config = read_without_source(project / "config.yaml")
    if not config.data.labelled:
        raise GaslampError(
            "data.labelled in config.yaml is null: rows that are written here would not be used",
            "set data.labelled: data/raw/gaslamp-labels.jsonl",
        )
    kind = get_method(config.method).KINDS[0]
    compare = project / "outputs" / (run or config.run) / "eval" / "compare.json"
    found, labels = compare if compare.is_file() else None, project / config.data.labelled
    try:
        return LabelDesk(project / "data", labels, kind, found, config.data.system, config.data.slice)
    except ValueError as error:
        raise GaslampError(f"method {config.method}: {error}", "write such rows into a file of your own") from error


def open_review_desk(project: Path) -> ReviewDesk:
    """The rows that a model wrote for a project.

    Raises:
        GaslampError: nothing was generated yet.
    """
    return ReviewDesk(project / CANDIDATES, project / REVIEW)
