"""The section ``remote``: the machine that trains when it is not this one."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from gaslamp.config.sections.fields import Section
from gaslamp.core import registry

AUTO = "auto"
PLAIN = re.compile(r"[^\s-][^\s]*")
"""Names that go onto the command line of ssh: none may look like one of its options."""


class Remote(Section):
    """The section ``remote``."""

    driver: str = Field(
        AUTO,
        description="How it is reached: a name from scripts/gaslamp/remote/drivers; auto: by the profile.",
    )
    host: str | None = Field(
        None, description="ssh: name or address of the machine, or a Host of ~/.ssh/config; ssh HOST must work."
    )
    port: int | None = Field(None, ge=1, le=65535, description="ssh: its port; null: 22, or what ~/.ssh/config says.")
    user: str | None = Field(None, description="ssh: your name there; null: what ~/.ssh/config says.")
    key: str | None = Field(None, description="ssh: file of your private key; null: the keys that ssh tries by itself.")
    ssh_config: str | None = Field(None, description="ssh: another file than ~/.ssh/config.")
    gpu: Literal["T4", "L4", "G4", "H100", "A100", "none"] = Field(
        "T4", description="colab: the GPU to ask for; without paid units you get a T4 or none."
    )
    colab_cli: str | None = Field(
        None, description="colab: the program of google-colab-cli; null: colab on the PATH, or where uv puts its tools."
    )
    colab_auth: Literal["oauth2", "adc"] = Field(
        "oauth2", description="colab: how you signed in: with a code (oauth2), or through gcloud (adc)."
    )
    mcp_command: list[str] = Field(
        default_factory=list,
        description="mcp: the program and arguments of an MCP server with a tool that runs Python in a kernel.",
    )
    mcp_tool: str | None = Field(
        None, description="mcp: the name of that tool; null: the first that ends with execute_code."
    )
    folder: str = Field(
        "gaslamp",
        min_length=1,
        description="Folder over there for projects and environments; relative: below your home folder.",
    )
    python: str | None = Field(
        None,
        description="An interpreter over there that has the packages already; null: an environment is made once, "
        "with this project's pins.",
    )
    image: str | None = Field(
        None,
        description="ssh: a container image in which all steps over there run, by docker, podman or apptainer; its "
        "own packages are used where it has them.",
    )
    backend: str = Field(
        AUTO, description="What trains over there: cuda, cpu, mac, mps; auto: by what that machine has."
    )
    evaluate: Literal["here", "there"] = Field(
        "here",
        description="Where the base and the tuned model answer the test rows: there for a model that is too "
        "large for this machine.",
    )
    export: Literal["here", "there"] = Field(
        "here",
        description="Where the adapter is merged and converted and the levels are made; only GGUF files come home.",
    )
    checkpoint_minutes: float = Field(
        10.0,
        ge=0.05,
        le=1440,
        description="How often the newest checkpoint comes home; a machine that is lost costs no more than that.",
    )
    poll_seconds: int = Field(10, ge=1, le=30, description="How often the curves come home.")
    patience_minutes: float = Field(
        10.0, ge=0, le=1440, description="How long a connection that is gone is tried again before the step fails."
    )
    keep: bool = Field(False, description="Do not give the machine back at the end of a run (make remote-stop does).")
    hf_token: bool = Field(
        False, description="Send HF_TOKEN of this terminal there while a gated model is fetched; it is written nowhere."
    )

    @field_validator("driver")
    @classmethod
    def _driver_exists(cls, value: str) -> str:
        if value != AUTO and (problem := registry.find_name_problem("drivers", value)):
            raise ValueError(f"{problem}, or auto")
        return value

    @field_validator("backend")
    @classmethod
    def _backend_exists(cls, value: str) -> str:
        if value != AUTO and (problem := registry.find_name_problem("backends", value)):
            raise ValueError(f"{problem}, or auto")
        return value

    @field_validator("host", "user", "image")
    @classmethod
    def _is_no_option(cls, value: str | None) -> str | None:
        if value is not None and not PLAIN.fullmatch(value):
            raise ValueError("a name without spaces that does not begin with -")
        return value

    @field_validator("host")
    @classmethod
    def _is_host_alone(cls, value: str | None) -> str | None:
        if value and (found := re.fullmatch(r"\[(.+)\](?::(\d+))?|([^:]+):(\d+)", value)):
            port = found[2] or found[4]
            raise ValueError(f"write host: {found[1] or found[3]}" + (f" and port: {port}" if port else ""))
        return value

    @field_validator("folder")
    @classmethod
    def _is_no_shell_word(cls, value: str) -> str:
        if "$" in value or (value.startswith("~") and not value.startswith("~/") and value != "~"):
            raise ValueError("no shell reads it: write it out, absolute, or relative to your home folder there")
        return value
