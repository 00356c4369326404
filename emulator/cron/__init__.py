"""When schedules are due: rate, cron and at expressions, time zones."""
