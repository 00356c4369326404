"""Events out: from the outbox to the bus."""
