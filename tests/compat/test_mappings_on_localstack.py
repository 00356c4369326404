"""Event source mappings and rules, with LocalStack's queues and buses."""

from __future__ import annotations

from tests.integration.emulator_events.test_mappings import (  # noqa: F401
    running,
    test_a_batching_window_gathers_more_than_one_receive_gives,
    test_a_failed_item_comes_back_and_ends_in_the_dead_letter_queue,
    test_a_function_that_raises_sends_good_and_bad_to_the_dead_letter_queue,
    test_a_window_ends_with_what_there_is,
    test_fifo_groups_run_in_parallel,
    test_fifo_keeps_order_within_a_group,
    test_maximum_concurrency_is_kept_and_used,
    test_messages_reach_the_function_and_are_deleted,
    test_the_function_may_change_a_messages_visibility_itself,
    test_throttling_loses_nothing_and_counts_no_receive,
    test_what_a_filter_keeps_out_is_deleted,
)
from tests.integration.emulator_events.test_rule_targets import (  # noqa: F401
    test_a_function_gets_what_eventbridge_sends,
    test_an_event_that_cannot_be_delivered_is_a_dead_letter,
    test_an_event_that_lambda_does_not_take_comes_again,
)
