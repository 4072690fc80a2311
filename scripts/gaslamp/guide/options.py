"""What a line of the plan may be, where that does not depend on the data."""

from __future__ import annotations

from gaslamp.config.backends import get_backend
from gaslamp.core import registry
from gaslamp.pages.themes import ACCENTS
from gaslamp.report.demo.words import get_languages


def get_options(name: str) -> tuple[str, ...]:
    """What a line may be, where that does not depend on the data."""
    kinds = {"method": "methods", "metric": "metrics", "deploy": "exporters"}
    if name in kinds:
        return tuple(registry.names(kinds[name]))
    if name == "profile":
        return tuple(one for one in registry.get_library_names("backends") if get_backend(one).BUILT)
    return {"theme": tuple(ACCENTS), "demo language": tuple(get_languages())}.get(name, ())
