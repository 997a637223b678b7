import itertools

import pytest

from teleop.machine import Event, State, next_state


def test_the_way_of_a_kept_and_of_a_discarded_episode():
    state = State.IDLE
    for event, expected in [
        (Event.START, State.RECORDING),
        (None, State.RECORDING),
        (Event.FINISH, State.REVIEW),
        (Event.SAVE, State.IDLE),
        (Event.START, State.RECORDING),
        (Event.DISCARD, State.IDLE),
        (Event.QUIT, State.CLOSED),
    ]:
        state = next_state(state, event)
        assert state is expected


@pytest.mark.parametrize("state", [s for s in State if s is not State.CLOSED])
def test_quit_ends_the_session_from_anywhere(state):
    assert next_state(state, Event.QUIT) is State.CLOSED


def test_nothing_is_saved_that_was_not_reviewed():
    """SAVE has an effect in review only, and nothing leads out of the end."""
    for state, event in itertools.product(State, Event):
        after = next_state(state, event)
        if event is Event.SAVE and state is not State.REVIEW:
            assert after is state
        if state is State.CLOSED:
            assert after is State.CLOSED
