"""Secrets at rest: AES-256-GCM, with keys that can be exchanged without a day of downtime.

A sealed secret is `version (1) | key id (4) | nonce (12) | ciphertext and tag`. The key id is
the beginning of the key's own SHA-256, so that nobody has to invent names: after a new key was put
first, what the old ones sealed can still be opened. A random nonce of 96 bits is safe for 2^32
secrets under one key (NIST SP 800-38D section 8.3).
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12


class AesGcmBox:
    """See provisioning.ports.SecretBox. The first of `keys` seals, all of them open."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {_key_id(key): AESGCM(key) for key in keys}
        self._sealing_id = _key_id(keys[0]) if keys else None

    @property
    def is_configured(self) -> bool:
        """See SecretBox.is_configured."""
        return self._sealing_id is not None

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """See SecretBox.seal."""
        if self._sealing_id is None:
            raise ProvisioningError(
                ErrorCode.ENCRYPTION_NOT_CONFIGURED,
                "Keys cannot be kept: the operator has not set an encryption key"
                " (SIP_EDGE__API__ENCRYPTION_KEY).",
            )
        nonce = os.urandom(_NONCE_BYTES)
        head = _VERSION + self._sealing_id
        return head + nonce + self._keys[self._sealing_id].encrypt(nonce, plain, head + context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """See SecretBox.open."""
        head, rest = sealed[: 1 + _ID_BYTES], sealed[1 + _ID_BYTES :]
        nonce, ciphertext = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        key = self._keys.get(head[1:])
        if key is None or head[:1] != _VERSION:
            raise _unreadable()
        try:
            return key.decrypt(nonce, ciphertext, head + context)
        except (InvalidTag, ValueError) as error:
            raise _unreadable() from error


def _key_id(key: bytes) -> bytes:
    return sha256(b"sip-edge key id" + key).digest()[:_ID_BYTES]


def _unreadable() -> ProvisioningError:
    return ProvisioningError(
        ErrorCode.CREDENTIAL_UNREADABLE,
        "This integration's key was encrypted with a key that this server does not have:"
        " store the integration again.",
    )
