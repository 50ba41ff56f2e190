"""Secrets at rest."""

from __future__ import annotations

import pytest

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.storage.secret_box import AesGcmBox

KEY, OTHER = bytes(32), bytes(range(32))


def code_of(box: AesGcmBox, sealed: bytes, context: bytes) -> ErrorCode:
    with pytest.raises(ProvisioningError) as caught:
        box.open(sealed, context)
    return caught.value.code


@pytest.mark.parametrize("plain", [b"", b"hunter2", b"x" * 10_000])
def test_what_was_sealed_can_be_opened_in_its_context_alone(plain: bytes) -> None:
    box = AesGcmBox([KEY])
    sealed = box.seal(plain, b"row 1")

    assert box.open(sealed, b"row 1") == plain
    assert code_of(box, sealed, b"row 2") is ErrorCode.CREDENTIAL_UNREADABLE


def test_same_secret_is_never_sealed_alike() -> None:
    box = AesGcmBox([KEY])

    assert len({box.seal(b"hunter2", b"") for _ in range(100)}) == 100


def test_every_changed_byte_is_noticed() -> None:
    box = AesGcmBox([KEY])
    sealed = box.seal(b"hunter2", b"")

    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        assert code_of(box, bytes(changed), b"") is ErrorCode.CREDENTIAL_UNREADABLE
    for length in range(len(sealed)):
        assert code_of(box, sealed[:length], b"") is ErrorCode.CREDENTIAL_UNREADABLE


def test_first_key_seals_and_all_of_them_open() -> None:
    old, new = AesGcmBox([KEY]), AesGcmBox([OTHER, KEY])
    of_old, of_new = old.seal(b"a", b""), new.seal(b"b", b"")

    assert (new.open(of_old, b""), new.open(of_new, b"")) == (b"a", b"b")
    assert AesGcmBox([OTHER]).open(of_new, b"") == b"b"
    assert code_of(old, of_new, b"") is ErrorCode.CREDENTIAL_UNREADABLE


def test_without_a_key_nothing_is_sealed() -> None:
    box = AesGcmBox([])

    assert not box.is_configured
    with pytest.raises(ProvisioningError) as caught:
        box.seal(b"a", b"")
    assert caught.value.code is ErrorCode.ENCRYPTION_NOT_CONFIGURED
