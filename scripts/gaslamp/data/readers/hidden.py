"""Files that are no data, whatever is in them: hidden ones, locks, notes of programs."""

from __future__ import annotations

NOTES = ("dataset_infos.json", "dataset_info.json", "state.json", "dataset_dict.json")
"""What `datasets` notes about a set."""
SYSTEM = ("desktop.ini", "thumbs.db", "icon\r")
SLACK = (
    "users.json",
    "channels.json",
    "groups.json",
    "dms.json",
    "mpims.json",
    "integration_logs.json",
    "canvases.json",
)
"""What a Slack export says about its users and channels, next to the folders of messages."""


def is_hidden(parts: tuple[str, ...]) -> bool:
    """Whether a file is hidden, a lock file of a spreadsheet program, of the system, or a note of `datasets`."""
    return (
        any(part.startswith((".", "~$", "__MACOSX")) for part in parts)
        or parts[-1] in NOTES
        or parts[-1].lower() in SYSTEM
    )
