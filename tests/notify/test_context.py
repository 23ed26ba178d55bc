import asyncio
import logging
from dataclasses import replace

import pytest

from resumatch_monitor.notify.diagnosis import NO_DIAGNOSIS, Diagnosis
from resumatch_monitor.notify.notification import Notification
from tests.notify.catchers import make_context, make_notification

pytestmark = pytest.mark.anyio


async def test_a_diagnosis_that_fails_holds_no_message_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(_notification: Notification) -> Diagnosis:
        raise RuntimeError("secret-token")

    with caplog.at_level(logging.WARNING):
        found = await replace(make_context(), diagnose=fail).find_diagnosis(make_notification())

    assert found == NO_DIAGNOSIS
    assert "RuntimeError" in caplog.text
    assert "secret-token" not in caplog.text


async def test_a_diagnosis_that_hangs_holds_no_message_back() -> None:
    async def hang(_notification: Notification) -> Diagnosis:
        await asyncio.Event().wait()
        raise AssertionError

    context = replace(make_context(), diagnose=hang, diagnosis_timeout_seconds=0.01)

    assert await context.find_diagnosis(make_notification()) == NO_DIAGNOSIS


async def test_a_diagnosis_is_what_was_found() -> None:
    async def find(_notification: Notification) -> Diagnosis:
        return Diagnosis(todo="restart it")

    found = await replace(make_context(), diagnose=find).find_diagnosis(make_notification())

    assert found.todo == "restart it"
