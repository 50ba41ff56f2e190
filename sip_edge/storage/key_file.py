"""An encryption key in a file of its own, made when it is first needed.

For a machine where nobody has set a key: what is kept in the embedded database beside it can be
read by whoever reads both, which is better than not being able to keep it at all. A server with a
database of its own is given its key by the environment.
"""

from __future__ import annotations

import os
from pathlib import Path

from sip_edge.storage.secret_box import KEY_BYTES


def key_in(path: Path) -> bytes:
    """The key of this file, which is made (for its owner alone) if it is not there.

    Several processes may ask at once: all get the same key. Raises OSError, also for a file that
    holds no key.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # Never over one that is there: what it has sealed would be lost.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
    return _read(path)


def _read(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(f"{path} holds no key of {KEY_BYTES} bytes")
    return key
