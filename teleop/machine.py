"""The states of a recording session, and what leads from one to the next."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where a session is."""

    IDLE = "idle"
    """Between episodes."""
    RECORDING = "recording"
    """An episode is in progress."""
    REVIEW = "review"
    """An episode is over and waits for the operator's verdict."""
    CLOSED = "closed"
    """The session is over."""


class Event(Enum):
    """What moves a session on."""

    START = "start"
    """Begin an episode."""
    FINISH = "finish"
    """The episode is over, by its time limit or because the operator says so."""
    SAVE = "save"
    """Keep the reviewed episode."""
    DISCARD = "discard"
    """Put the episode aside."""
    QUIT = "quit"
    """End the session; an episode in progress is put aside."""


TRANSITIONS = {
    (State.IDLE, Event.START): State.RECORDING,
    (State.IDLE, Event.QUIT): State.CLOSED,
    (State.RECORDING, Event.FINISH): State.REVIEW,
    (State.RECORDING, Event.DISCARD): State.IDLE,
    (State.RECORDING, Event.QUIT): State.CLOSED,
    (State.REVIEW, Event.SAVE): State.IDLE,
    (State.REVIEW, Event.DISCARD): State.IDLE,
    (State.REVIEW, Event.QUIT): State.CLOSED,
}
"""Every move there is; an event that is not listed for a state has no effect."""


def next_state(state: State, event: Event | None) -> State:
    """Return the state after an event; a press of a button that means nothing now is ignored."""
    return state if event is None else TRANSITIONS.get((state, event), state)
