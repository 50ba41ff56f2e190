"""Records of calls and messages: what is not the workspace's does not exist."""

from __future__ import annotations

from uuid import uuid4

import pytest
from support.control_doubles import DEFAULT_WORKSPACE, InMemoryRecords
from support.control_rows import call_record, voicemail_record

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.records import Records
from sip_edge.provisioning.values import CallFilter, PageRequest, VoicemailFilter

pytestmark = pytest.mark.asyncio

OURS = DEFAULT_WORKSPACE.id
ALL = PageRequest(100, None)


def records() -> Records:
    store = InMemoryRecords()
    store.call_rows = [(OURS, call_record(1)), (None, call_record(2))]
    store.voicemail_rows = [(OURS, voicemail_record(1)), (None, voicemail_record(2))]
    return Records(store=store)


async def test_own_records_are_found() -> None:
    assert await records().call(OURS, call_record(1).id) == call_record(1)
    assert await records().voicemail(OURS, voicemail_record(1).id) == voicemail_record(1)
    assert (await records().calls(OURS, ALL, CallFilter())).items == (call_record(1),)
    found = await records().voicemails(OURS, ALL, VoicemailFilter())
    assert found.items == (voicemail_record(1),)


async def test_records_of_nobody_and_of_others_are_not_found() -> None:
    for deed in (
        records().call(OURS, call_record(2).id),
        records().call(uuid4(), call_record(1).id),
        records().voicemail(OURS, voicemail_record(2).id),
        records().voicemail(uuid4(), voicemail_record(1).id),
    ):
        with pytest.raises(ProvisioningError) as caught:
            await deed
        assert caught.value.code is ErrorCode.NOT_FOUND
