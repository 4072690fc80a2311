"""The texts of the demo page: one YAML file for each language."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.errors import GaslampError

LANGUAGES = Path(__file__).parent / "languages"


def get_languages() -> list[str]:
    """Codes of the languages that exist, such as ``en`` or ``zh-Hans``."""
    return sorted(path.stem for path in LANGUAGES.glob("*.yaml"))


def read_language(code: str) -> dict[str, str]:
    """All texts of a language; a key that its file lacks is in English.

    Raises:
        GaslampError: there is no such language.
    """
    import yaml

    if code not in get_languages():
        raise GaslampError(
            f"demo.language: there is no language '{code}'; available: {', '.join(get_languages())}",
            "choose one of them, or write languages/<code>.yaml",
        )
    words: dict[str, str] = {}
    for name in dict.fromkeys(("en", code)):
        values = yaml.safe_load((LANGUAGES / f"{name}.yaml").read_text(encoding="utf-8"))
        words |= {str(key): str(value) for key, value in values.items()}
    return words
