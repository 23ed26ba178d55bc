"""What alerts do is in the log."""

from dataclasses import replace
from datetime import timedelta

import pytest

from resumatch_monitor.dispatch.occurrences.changelog import log_changes
from resumatch_monitor.storage.sql.database import Database
from tests.dispatch.builders import START, make_alert, make_dispatcher, make_occurrence, resolve
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

DISK = make_alert("DiskFillsUp", severity="info")


async def test_an_alert_that_nobody_is_told_at_once_is_in_the_log(
    database: Database, clock: FakeClock, ids: SequentialIds, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    dispatcher = make_dispatcher(database, clock, ids)
    await dispatcher.load()

    await dispatcher.put([DISK])
    await dispatcher.put([replace(DISK, value=2.0)])
    await dispatcher.put([make_alert("NewIssue", severity="warning", is_event=True)])
    await dispatcher.put([resolve(DISK, START + timedelta(minutes=1))])
    await dispatcher.put([resolve(DISK, START + timedelta(minutes=1))])

    assert [each for each in caplog.messages if each.startswith("alert ")] == [
        "alert fires: DiskFillsUp (info)",
        "alert happened: NewIssue (warning)",
        "alert ended: DiskFillsUp (info)",
    ]


def test_a_storm_is_one_line_and_a_name_is_no_second_one(
    caplog: pytest.LogCaptureFixture, ids: SequentialIds, database: Database, clock: FakeClock
) -> None:
    caplog.set_level("INFO")
    dispatcher = make_dispatcher(database, clock, ids)
    storm = [make_occurrence(make_alert("A\nB", n=str(number))) for number in range(1000)]

    log_changes(storm, dispatcher.firing)

    (line,) = caplog.messages
    assert line.endswith("A B (critical), and 995 more")
    assert "\n" not in line
