"""The data part of the preflight: whether the method can learn from these columns, and the disk space of the rows."""

from __future__ import annotations

from gaslamp.data.peek import find_method_problem
from gaslamp.data.source_names import split_part
from gaslamp.environment.findings import Findings, Problem, Request


def check_data(request: Request, found: Findings) -> None:
    """Read the first rows (of a hub data set only these are downloaded) and hold their columns against the method."""
    data = request.settings.data
    if error := find_method_problem(data, request.settings.method):
        found.problems.append(Problem(error.cause, error.fix, error.less_likely or ""))
    if not data.source.startswith("embedded:"):
        source, _ = split_part(data.source)
        files = [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else [source]
        # the rows are written once more, as train, valid and test
        found.disk["data"] = 2 * sum(file.stat().st_size for file in files if file.is_file())
