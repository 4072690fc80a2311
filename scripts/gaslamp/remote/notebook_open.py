"""The first cell of a generated notebook: the bundle becomes a folder. The file itself is put into the cell.

Standard library only and no syntax newer than Python 3.8: it runs in whatever kernel the notebook has.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sys
import tarfile

UPLOAD = "bundle.tar.gz"


def open_bundle(folder: str, sha256: str, data: str) -> None:
    """Unpack the bundle into ``folder`` and make its library importable. Running it again does no harm.

    Args:
        folder: below the working directory.
        sha256: of the bundle.
        data: the bundle in base64; empty: a file UPLOAD in the working directory, which is requested from the browser.

    Raises:
        FileNotFoundError: there is no such file, and no browser that could bring it.
        ValueError: it is another file.
    """
    content = base64.b64decode(data) if data else _read_upload()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{UPLOAD} is not the file that belongs to this notebook, or it came only in part")
    os.makedirs(folder, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            target = os.path.abspath(os.path.join(folder, member.name))
            if not member.isfile() or not target.startswith(os.path.abspath(folder) + os.sep):
                raise ValueError(f"{member.name} is no plain file of the project")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            source = archive.extractfile(member)
            assert source is not None
            with source, open(target, "wb") as handle:
                handle.write(source.read())
    sys.path.insert(0, os.path.abspath(os.path.join(folder, "scripts")))
    print(f"the project is in {os.path.abspath(folder)}")


def _read_upload() -> bytes:
    if not os.path.isfile(UPLOAD):
        try:
            from google.colab import files
        except ImportError:
            raise FileNotFoundError(f"put {UPLOAD}, which lies next to this notebook, into {os.getcwd()}") from None
        files.upload()
    with open(UPLOAD, "rb") as handle:
        return handle.read()
