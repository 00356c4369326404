"""Schedules that LocalStack stores and the emulator fires."""

from __future__ import annotations

import pytest

from tests.integration.emulator_events.test_schedules import (  # noqa: F401
    test_a_rate_fires_at_once_and_then_each_period,
    test_cron_to_a_queue_in_its_time_zone_with_placeholders,
    test_disabled_ended_and_future_schedules,
    test_real_time_passes_by_itself,
    test_template_schedules_are_listed_and_updated,
    test_what_cannot_be_delivered_ends_in_the_dead_letter_queue,
)
from tests.integration.emulator_events.test_schedules_by_api import (  # noqa: F401
    test_a_moved_clock_fires_all_it_passes_in_order_once,
    test_a_schedule_is_picked_up_changed_and_deleted,
)
from tests.integration.emulator_events.test_schedules_over_restarts import (  # noqa: F401
    test_disabled_stays_disabled_over_a_restart_until_the_template_says_otherwise,
)

pytestmark = pytest.mark.usefixtures("own_account")
