"""The recorded cases of event source mappings, with LocalStack's queues."""

from __future__ import annotations

from tests.conformance.emulator_events.test_sqs_mappings import (  # noqa: F401
    seen,
    test_a_function_that_raises_fails_good_and_bad_alike,
    test_a_function_that_stops_at_its_first_failure_keeps_the_order,
    test_a_group_goes_on_in_order_with_what_failed,
    test_maximum_receives_then_the_dead_letter_queue_with_the_same_id,
    test_the_shape_of_a_record,
    test_what_a_filter_keeps_out_is_deleted,
    test_what_an_answer_keeps_in_the_queue,
)
