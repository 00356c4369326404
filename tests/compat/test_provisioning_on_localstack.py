"""What the template declares, made on LocalStack, and what the platform's retries rest on."""

from __future__ import annotations

from tests.integration.emulator_events.test_provision import (  # noqa: F401
    test_a_delayed_message_comes_when_its_delay_is_over,
    test_a_redrive_policy_is_added_to_and_taken_from_a_queue_that_exists,
    test_a_rule_routes_events_to_its_queue,
    test_repeating_changes_nothing,
    test_visibility_receive_count_and_redrive,
    test_what_the_template_changed_is_changed,
)
