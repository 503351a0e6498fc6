"""Telling others what happened, after it was recorded; never able to break the work."""
