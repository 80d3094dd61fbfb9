"""A module no app imports before its first request."""
