"""The whole: passes over everything due, and what people ask about it."""
