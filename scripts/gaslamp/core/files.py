"""Files on disk: atomic writing, hashes, the per-user cache and its lock."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError

JsonObject = dict[str, Any]
"""A JSON object whose keys this code does not know: a fact file, a line of events, values from YAML."""


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` (UTF-8) so that ``path`` holds either the old or the new bytes, never half of them.

    A device or a pipe (/dev/null, /dev/stdout) is written to: a file put in its place would replace it for everyone.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("w", encoding="utf-8", newline="\n") as handle:
            handle.write(text)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise GaslampError(
            f"cannot write {path}: {error.strerror}",
            f"make the folder writable (chmod u+w {path.parent}) or free disk space, then run the same command",
            "the project is on a read-only file system: copy it elsewhere",
        ) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def write_json(path: str | Path, value: object) -> None:
    """Write ``value`` as JSON, atomically.

    Raises:
        ValueError: it holds NaN or infinity, which JSON cannot express.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, sort_keys=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file that an earlier rule wrote.

    Raises:
        GaslampError: it is missing or no JSON; the fix is to run the rule again.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise GaslampError(f"{path} is missing", "run snakemake again: it rebuilds what is missing") from error
    except json.JSONDecodeError as error:
        raise GaslampError(
            f"{path}, line {error.lineno}: not valid JSON ({error.msg})", f"delete {path} and run snakemake again"
        ) from error


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Write one JSON object a line, atomically, and return how many."""
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
    write_text(path, "".join(line + "\n" for line in lines))
    return len(lines)


def read_jsonl(path: str | Path) -> Iterator[JsonObject]:
    """Yield the objects of a JSON-lines file of this project, without a last line that a kill cut off."""
    with Path(path).open(encoding="utf-8") as handle:
        for line in handle:
            if not line.endswith("\n"):
                return
            yield json.loads(line)


def sha256_bytes(data: bytes) -> str:
    """Hex sha256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_text(text: str) -> str:
    """Hex sha256 of ``text`` in UTF-8."""
    return sha256_bytes(text.encode("utf-8"))


def sha256_path(path: str | Path) -> str:
    """Hex sha256 of a file's bytes, or of a folder's file names and bytes in sorted order."""
    path = Path(path)
    if path.is_file():
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file() and p.name != ".snakemake_timestamp"):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_path(file)}\n".encode())
    return digest.hexdigest()


def get_cache_dir() -> Path:
    """The per-user cache: ``$GASLAMP_CACHE``, else ``$XDG_CACHE_HOME``/gaslamp, else ``~/.cache/gaslamp``."""
    if value := os.environ.get("GASLAMP_CACHE"):
        return Path(value).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gaslamp"


@contextmanager
def lock(path: str | Path, waiting: str) -> Iterator[None]:
    """Hold an inter-process lock file; it is freed by the kernel when its process dies, so it never goes stale.

    Args:
        path: the lock file; created when missing.
        waiting: printed while another process holds it.
    """
    from filelock import FileLock, Timeout

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    guard = FileLock(str(path))
    try:
        guard.acquire(timeout=0)
    except Timeout:
        print(waiting, flush=True)
        guard.acquire()
    try:
        yield
    finally:
        guard.release()
