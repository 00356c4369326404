"""`paywright queue` with LocalStack's queues."""

from __future__ import annotations

import pytest

from tests.integration.cli.test_queue_command import (  # noqa: F401
    test_names_without_prefix_and_near_ones,
    test_peek_elsewhere_receives_says_so_and_lets_go,
    test_purge_asks_first,
    test_redrive_brings_dead_letters_back,
    test_redrive_of_a_group_is_not_taken_for_a_duplicate,
    test_redrive_of_a_queue_that_takes_no_dead_letters,
    test_redrive_to_another_queue_with_a_limit,
    test_what_its_queue_refuses_stays_a_dead_letter,
)


@pytest.fixture
def any_url(aws_endpoint_url: str) -> str:
    return aws_endpoint_url


@pytest.fixture
def plain_url(aws_endpoint_url: str) -> str:
    return aws_endpoint_url
