"""Schedules persist their due times: nothing runs early, twice, or once per missed period."""

from datetime import UTC, datetime, timedelta

from apps.jobs.models import Schedule
from apps.jobs.schedules import schedules_start_due

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = {"sweep": 3600.0}


def start_due(now, schedules=HOUR):
    started = []
    schedules_start_due(schedules=schedules, now=now, start=lambda name, seconds: started.append(name))
    return started


def test_a_new_schedule_waits_one_period(db):
    assert start_due(NOW) == []
    assert start_due(NOW + timedelta(minutes=59)) == []
    assert start_due(NOW + timedelta(minutes=60)) == ["sweep"]


def test_a_claimed_run_is_not_started_again(db):
    start_due(NOW)
    later = NOW + timedelta(hours=1)
    assert start_due(later) == ["sweep"]
    assert start_due(later) == []
    assert Schedule.objects.get().last_started_at == later


def test_what_was_missed_while_nothing_ran_runs_once(db):
    start_due(NOW)
    assert start_due(NOW + timedelta(days=3)) == ["sweep"]
    assert start_due(NOW + timedelta(days=3, minutes=1)) == []
    assert start_due(NOW + timedelta(days=3, hours=1)) == ["sweep"]


def test_one_schedule_does_not_hold_up_another(db):
    both = {"slow": 7200.0, "fast": 60.0}
    start_due(NOW, both)
    assert start_due(NOW + timedelta(minutes=2), both) == ["fast"]
