"""Notifications: e-mails to merchants about what they must know."""
