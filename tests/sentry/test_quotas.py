"""Quotas over a simulated clock."""

from datetime import timedelta
from typing import Any

import pytest

from resumatch_monitor.sentry.categories import Category
from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.outcomes import Outcome, Tally
from resumatch_monitor.sentry.projects import Project, provision
from resumatch_monitor.sentry.quotas import Quotas, render_limits
from tests.support.clock import FakeClock

_ERROR, _SPAN, _TRANSACTION = Category.ERROR, Category.SPAN, Category.TRANSACTION


def make_project(number: int = 1, **settings: Any) -> Project:
    return provision(
        ProjectConfig.model_validate(
            {"id": number, "slug": f"shop-{number}", "key": f"{number:032x}", **settings}
        )
    )


def admit(
    quotas: Quotas, project: Project, category: Category = _ERROR, *, times: int, each: int = 1
) -> int:
    """Return how many of some items are admitted."""
    return sum(quotas.admit(project, project.keys[0], category, each) is None for _ in range(times))


@pytest.fixture
def noon(clock: FakeClock) -> FakeClock:
    assert (clock.now().hour, clock.now().minute) == (12, 0)
    return clock


def test_a_quota_admits_so_many_in_a_window_and_begins_anew(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(quotas=[{"category": "error", "limit": 10, "window": "1m"}])

    first = admit(quotas, project, times=15)
    noon.jump_monotonic(59)
    same = admit(quotas, project, times=15)
    noon.jump_monotonic(1)
    anew = admit(quotas, project, times=15)

    assert (first, same, anew) == (10, 0, 10)


def test_a_quota_is_of_its_project_and_category(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    rule = {"category": "error", "limit": 1, "window": "1h"}
    one, other = make_project(1, quotas=[rule]), make_project(2, quotas=[rule])

    assert admit(quotas, one, times=5) == 1
    assert admit(quotas, one, _TRANSACTION, times=5) == 5
    assert admit(quotas, other, times=5) == 1


def test_a_quota_of_all_counts_everything_together(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(quotas=[{"category": "all", "limit": 5, "window": "1h"}])

    admitted = admit(quotas, project, times=3) + admit(quotas, project, _SPAN, times=9)

    assert admitted == 5
    (limit,) = quotas.describe(project, project.keys[0])
    assert render_limits([limit]) == "60::project:quota"


def test_what_one_bound_refuses_does_not_use_up_another(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(
        quotas=[
            {"category": "error", "limit": 2, "window": "1m"},
            {"category": "error", "limit": 10, "window": "1h"},
        ]
    )

    admitted: list[int] = []
    for _ in range(7):
        admitted.append(admit(quotas, project, times=50))
        noon.jump_monotonic(60)

    assert admitted == [2, 2, 2, 2, 2, 0, 0]


def test_quantities_count_and_a_smaller_one_may_still_fit(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(quotas=[{"category": "attachment", "limit": 100, "window": "1h"}])
    key = project.keys[0]

    answers = [
        quotas.admit(project, key, Category.ATTACHMENT, size) is None for size in (70, 70, 30, 1)
    ]

    assert answers == [True, False, True, False]


def test_what_is_given_back_may_be_used_again_in_its_window(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    rules = [{"category": name, "limit": 5, "window": "1m"} for name in ("error", "all")]
    project = make_project(quotas=rules)
    assert admit(quotas, project, times=9) == 5

    quotas.give_back(project, project.keys[0], _ERROR, 2, admitted_at=noon.now())
    again = admit(quotas, project, times=9)
    before = noon.now()
    noon.jump_monotonic(60)
    fresh = admit(quotas, project, times=9)
    quotas.give_back(project, project.keys[0], _ERROR, 2, admitted_at=before)

    assert (again, fresh, admit(quotas, project, times=9)) == (2, 5, 0)
    assert quotas.find_usual(project, _ERROR) == 0


def test_together_with_others_an_attachment_is_one_thing(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(quotas=[{"category": "all", "limit": 3, "window": "1h"}])

    assert admit(quotas, project, Category.ATTACHMENT, times=2, each=1_000_000) == 2
    assert admit(quotas, project, times=5) == 1


def test_the_pause_ends_with_the_window_or_after_a_minute(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(quotas=[{"category": "error", "limit": 0, "window": "10m"}])

    early = quotas.admit(project, None, _ERROR, 1)
    noon.jump_monotonic(9 * 60 + 45)
    late = quotas.admit(project, None, _ERROR, 1)

    assert early is not None
    assert early.retry_after == 60
    assert late is not None
    assert late.retry_after == 15
    assert render_limits(quotas.describe(project, None)) == "15:error:project:quota"
    noon.jump_monotonic(16)
    assert quotas.describe(project, None) == []


def test_a_key_has_a_limit_of_its_own(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(
        keys=[{"key": "f" * 32, "rate_limit": {"limit": 3, "window": "1m"}}],
    )
    default, limited = project.keys

    admitted = sum(quotas.admit(project, limited, _ERROR, 1) is None for _ in range(5))

    assert admitted == 3
    assert quotas.admit(project, default, _ERROR, 1) is None
    assert quotas.describe(project, default) == []
    assert [each.reason for each in quotas.describe(project, limited)] == ["key_quota"]


def test_a_clock_that_is_put_back_a_little_opens_no_window_twice(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(quotas=[{"category": "error", "limit": 2, "window": "1m"}])
    noon.jump_monotonic(1)
    admit(quotas, project, times=5)

    noon.jump(timedelta(seconds=-5))
    back = admit(quotas, project, times=5)
    noon.jump(timedelta(days=-1))
    far_back = admit(quotas, project, times=5)

    assert (back, far_back) == (0, 2)


def test_without_a_past_an_hour_may_bring_the_minimum(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(spike_protection={"min_per_hour": 20})

    assert admit(quotas, project, times=50) == 20
    assert admit(quotas, project, _SPAN, times=500) == 200
    assert admit(quotas, project, Category.MONITOR, times=50) == 50
    assert "spike_protection" in render_limits(quotas.describe(project, None))


def test_a_spike_is_held_to_a_multiple_of_the_usual_and_growth_is_not(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(spike_protection={"min_per_hour": 5, "factor": 10})
    for _ in range(48):
        admit(quotas, project, times=1, each=5)
        noon.jump_monotonic(3600)

    usual = quotas.find_usual(project, _ERROR)
    spike = admit(quotas, project, times=200)
    noon.jump_monotonic(3600)
    twice_the_usual = admit(quotas, project, times=10)

    assert usual == pytest.approx(5, abs=0.2)
    assert 45 <= spike <= 51
    assert twice_the_usual == 10


def test_spike_protection_can_be_switched_off(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project(spike_protection={"enabled": False, "min_per_hour": 0})

    assert admit(quotas, project, times=1_000) == 1_000


def test_a_restart_goes_on_where_the_hours_were(noon: FakeClock) -> None:
    project = make_project(
        quotas=[
            {"category": "error", "limit": 100, "window": "1d"},
            {"category": "error", "limit": 15, "window": "1h"},
        ],
        spike_protection={"min_per_hour": 1},
    )
    quotas = Quotas(clock=noon)
    hour = noon.now()
    quotas.restore(
        Tally(1, hour - timedelta(hours=back), _ERROR, Outcome.ACCEPTED, "", 10)
        for back in range(30)
    )

    # Ten came in this hour, and 130 today, which began 12 hours ago.
    assert admit(quotas, project, times=100) == 0
    noon.jump_monotonic(12 * 3600)
    assert admit(quotas, project, times=100) == 15
    assert quotas.find_usual(project, _ERROR) == pytest.approx(7, abs=1)


def test_what_is_remembered_is_bounded(noon: FakeClock) -> None:
    quotas = Quotas(clock=noon)
    project = make_project()
    for _ in range(24 * 40):
        quotas.admit(project, None, _ERROR, 1)
        noon.jump_monotonic(3600)

    histories = quotas._histories  # pyright: ignore[reportPrivateUsage]
    assert all(len(each.hours) <= 24 * 31 + 1 for each in histories.values())


def test_a_header_names_each_limit_once() -> None:
    clock = FakeClock()
    quotas = Quotas(clock=clock)
    project = make_project(
        quotas=[
            {"category": "error", "limit": 0, "window": "1h"},
            {"category": "span", "limit": 0, "window": "1h"},
        ]
    )
    for category in (_ERROR, _ERROR, _SPAN):
        quotas.admit(project, None, category, 1)

    text = render_limits(quotas.describe(project, None))

    assert text == "60:error:project:quota, 60:span:project:quota"
