"""The arms that a session can drive."""
