"""What is wrong with the section ``data.generate``, said before a request is sent."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.methods import get_method, is_multimodal
from gaslamp.config.problems import Problem
from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.data.generation.shapes import SHAPES


def find_generate_problems(config: Config, root: Path) -> list[Problem]:
    """Problems of ``data.generate``; none while no rows are wanted.

    Args:
        config: the whole config.
        root: the folder that relative paths start from.
    """
    own, place = config.data.generate, ("data", "generate")
    if not own.rows:
        return []
    problems = []
    if not (own.endpoint.url and own.endpoint.model):
        local = "http://127.0.0.1:8081/v1 (make deploy in a finished project)"
        message = f"data.generate.endpoint needs url and model: a local one is {local}"
        problems.append(Problem((*place, "endpoint"), message))
    if bool(own.judge.endpoint.url) != bool(own.judge.endpoint.model):
        problems.append(
            Problem((*place, "judge", "endpoint"), "data.generate.judge.endpoint needs both url and model, or neither")
        )
    if not own.licence.strip():
        message = (
            "data.generate.licence is empty: write what the terms of that model say of its output, such as apache-2.0, "
            "own use, or unknown; it is recorded with every row"
        )
        problems.append(Problem((*place, "licence"), message))
    for key in ("seeds", "documents"):
        value = getattr(own, key)
        if value and not (root / Path(value).expanduser()).exists():
            problems.append(
                Problem(
                    (*place, key), f"data.generate.{key}: no such file or folder: {value} (looked in {root.resolve()})"
                )
            )
    if config.data.source.startswith("embedded:"):
        message = "data.source is an embedded set of another task: set it to data/generated/rows.jsonl (make generate)"
        problems.append(Problem((*place, "rows"), message))
    if (own.limits.cost is not None) and not (own.price.input or own.price.output):
        problems.append(Problem((*place, "price"), "limits.cost needs the prices, or nothing is counted"))
    problems += [Problem((*place, "answer"), message) for message in _find_schema_problems(own.answer)]
    try:
        kind = get_method(config.method).KINDS[0]
    except GaslampError:
        return problems  # said of the method
    if kind not in SHAPES or is_multimodal(config.method):
        kind = "image" if is_multimodal(config.method) else kind
        message = f"{config.method} learns from {kind} rows, which are not generated: {', '.join(SHAPES)} rows are"
        problems.append(Problem((*place, "rows"), message))
    return problems


def _find_schema_problems(schema: object) -> list[str]:
    if schema is None:
        return []
    import jsonschema

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = ".".join(map(str, error.absolute_path))
        return [f"data.generate.answer is no JSON schema: {where + ': ' if where else ''}{error.message}"[:200]]
    return []
