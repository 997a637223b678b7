import threading
import time

import pytest

from trirl_robot.view.viewer import Viewer


class EndOfTestError(Exception):
    pass


@pytest.fixture
def start(server):
    """Run a viewer in a thread until the test ends; returns it and a way to send commands."""
    stops = []

    def begin(session):
        viewer = Viewer(session, server, "test")

        def run():
            with pytest.raises(EndOfTestError):
                viewer.run()

        thread = threading.Thread(target=run)
        thread.start()
        stops.append((viewer, thread))
        return viewer

    yield begin

    def stop(_):
        raise EndOfTestError

    for viewer, thread in stops:
        viewer.send(stop)
        thread.join(10)
        assert not thread.is_alive()


def ask(viewer, question):
    """Return what `question` finds, asked on the session's own thread."""
    answers, answered = [], threading.Event()

    def command(session):
        answers.append(question(session))
        answered.set()

    viewer.send(command)
    assert answered.wait(10)
    return answers[0]


def elapsed(session):
    return session.status().elapsed_s


def test_nothing_moves_while_nobody_looks(start, make_session):
    viewer = start(make_session())
    time.sleep(0.3)
    assert ask(viewer, elapsed) == 0.0


def test_it_runs_in_real_time_for_whoever_looks(start, make_session):
    viewer = start(make_session())
    viewer.watch(+1)
    begin = ask(viewer, elapsed), time.monotonic()
    time.sleep(1.0)
    end = ask(viewer, elapsed), time.monotonic()
    # a busy machine may drop steps, none may go faster than time
    assert 0.2 < end[0] - begin[0] < end[1] - begin[1] + 0.1


def test_a_pause_takes_no_processor_time(start, make_session):
    viewer = start(make_session())
    viewer.watch(+1)
    ask(viewer, lambda session: session.toggle_pause())
    before = ask(viewer, elapsed), time.process_time()
    time.sleep(1.0)
    used = time.process_time() - before[1]
    assert ask(viewer, elapsed) == before[0]
    assert used < 0.1


def test_the_page_follows_commands_while_paused(start, make_session):
    session = make_session()
    viewer = start(session)
    ask(viewer, lambda session: session.toggle_pause())
    ask(viewer, lambda session: session.next())
    ask(viewer, lambda _: None)  # drawn before the next command is taken
    assert viewer.panel.simulation.value == 2
    assert viewer.panel.pause.label == "Resume"


def test_an_error_of_the_session_ends_the_loop(server, make_session):
    def broken(observation):
        raise ZeroDivisionError

    viewer = Viewer(make_session(chosen="broken", broken=broken), server, "test")
    viewer.watch(+1)
    with pytest.raises(ZeroDivisionError):
        viewer.run()
