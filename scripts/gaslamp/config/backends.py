"""What the other rooms read of a backend plug-in: its flags and words, with the defaults where it leaves them out.

A backend (``train/backends/<name>.py``) is where and with what a model is trained; it is found by name through the
registry. ``gaslamp.train.protocols.Backend`` documents every attribute. No list of backend names stands anywhere else.
"""

from __future__ import annotations

import re
from types import ModuleType

from gaslamp.config.lora_options import LORA_OPTIONS
from gaslamp.core import registry
from gaslamp.core.files import JsonObject


def get_backend(name: str) -> ModuleType:
    """The plug-in. Raises GaslampError with the nearest names when there is none."""
    return registry.get("backends", name)


def is_remote(name: str) -> bool:
    """Whether the training runs on another machine, with a graph of its own (``REMOTE``)."""
    return bool(getattr(get_backend(name), "REMOTE", False))


def is_autotuned(name: str) -> bool:
    """Whether the backend chooses what ``train.choose`` lists by the memory of its GPU (``AUTOTUNED``)."""
    return bool(getattr(get_backend(name), "AUTOTUNED", False))


def can_sample_with_vllm(name: str) -> bool:
    """Whether vLLM can sample completions while training (``VLLM``)."""
    return bool(getattr(get_backend(name), "VLLM", False))


def can_use_trackers(name: str) -> bool:
    """Whether the backend writes to experiment trackers (``TRACKERS``, yes by default)."""
    return bool(getattr(get_backend(name), "TRACKERS", True))


def can_use_processes(name: str) -> bool:
    """Whether several processes can train together, one for each device (``PROCESSES``)."""
    return bool(getattr(get_backend(name), "PROCESSES", False))


def can_quantize(name: str) -> bool:
    """Whether the base model's weights can be held in 4 or 8 bits while training (``QUANTIZES``)."""
    return bool(getattr(get_backend(name), "QUANTIZES", False))


def get_auto_dtype(name: str) -> str | None:
    """What ``train.dtype: auto`` is on every machine (``AUTO_DTYPE``); ``None``: the machine decides, mostly 16 bit."""
    dtype: str | None = getattr(get_backend(name), "AUTO_DTYPE", None)
    return dtype


def get_lora_options(name: str, train: JsonObject) -> tuple[tuple[str, ...], str]:
    """The keys in LORA_OPTIONS that the backend follows, and what to do about the others.

    Args:
        name: of the backend.
        train: section ``train`` as plain values; its ``engine`` may decide.
    """
    choose = getattr(get_backend(name), "get_lora_options", None)
    result: tuple[tuple[str, ...], str] = choose(train) if choose else (LORA_OPTIONS, "")
    return result


def get_unused_settings(name: str) -> tuple[str, ...]:
    """Keys of section ``train`` that the backend does not use (``UNUSED_SETTINGS``); pages leave them out."""
    return tuple(getattr(get_backend(name), "UNUSED_SETTINGS", ()))


def list_profiles(separator: str = ", ") -> str:
    """The profiles to choose from, then those that are not built yet: ``cpu, cuda, mac (mps: not built yet)``.

    One text for the config's description, its template and ``make help``; a test compares.
    """
    names = registry.get_library_names("backends")
    missing = [name for name in names if not _is_built(name)]
    listed = separator.join(name for name in names if name not in missing)
    return listed + (f" ({', '.join(missing)}: not built yet)" if missing else "")


def _is_built(name: str) -> bool:
    """``BUILT`` of a backend, read as text: the schema needs it, and no step should depend on every backend's code."""
    file = registry.find("backends", name)
    return file is None or re.search(r"^BUILT = False$", file.read_text(encoding="utf-8"), re.MULTILINE) is None


def get_machine(name: str) -> str:
    """The machine that the backend trains on, in words (``MACHINE``)."""
    return str(getattr(get_backend(name), "MACHINE", name))
