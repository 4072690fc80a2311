"""A server of language models with OpenAI's protocol: where it is, which model, which variable has the key."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gaslamp.config.sections.fields import Section


def find_url_problem(url: str) -> str | None:
    """What is wrong with the base URL of an endpoint; ``None`` when nothing is, or when it is empty."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"'{url}' is no URL: {error}"
    if parts.scheme not in ("http", "https") or not host:
        return f"'{url}' is no http or https URL: write it as http://127.0.0.1:8081/v1"
    if parts.username or parts.password:
        return "the URL contains a user name or password: name the environment variable with the key in key_env instead"
    if parts.query or parts.fragment:
        return f"'{url}' ends with a query: name the base URL, which ends with /v1 on most servers"
    for path in ("/chat/completions", "/completions", "/responses"):
        if parts.path.rstrip("/").endswith(path):
            return f"'{url}' names one function of the server: leave out {path}"
    return None


def _check_url(value: str) -> str:
    if problem := find_url_problem(value):
        raise ValueError(problem)
    return value


class Endpoint(Section):
    """A section that names a server: ``eval.endpoint`` and others."""

    url: Annotated[str, AfterValidator(_check_url)] = Field(
        "", description="Base URL of an OpenAI-compatible server, such as http://127.0.0.1:8081/v1."
    )
    model: str = Field("", description="Name of the model on that server.")
    key_env: str | None = Field(None, description="Environment variable that holds the API key; null: no key is sent.")
