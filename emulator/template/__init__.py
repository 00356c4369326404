"""What a SAM template declares, as plain data."""
