"""What an operator without a person wants of a session."""

from __future__ import annotations

from teleop.machine import Event, State


def unattended_event(state: State, success: bool) -> Event | None:
    """Begin at once; keep what succeeded."""
    if state is State.IDLE:
        return Event.START
    if state is State.REVIEW:
        return Event.SAVE if success else Event.DISCARD
    return None
