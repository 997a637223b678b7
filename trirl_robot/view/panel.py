"""The controls of the page, and the tables and curves beside the scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import viser
from numpy.typing import NDArray

from trirl_robot.view.session import SPEEDS, Session
from trirl_robot.view.stage import RENDERINGS, Stage
from trirl_robot.view.tables import DrawnGroup, drawn_groups, drawn_html, status_html

Array = NDArray[np.float64]

Command = Callable[[Session], None]
"""What a control does to the session, on the session's own thread."""

_SPEED_NAMES = {f"{speed:g}×": speed for speed in SPEEDS}


class Panel:
    """Controls that send commands, and displays that follow the session."""

    def __init__(
        self,
        server: viser.ViserServer,
        session: Session,
        stage: Stage,
        title: str,
        send: Callable[[Command], None],
    ) -> None:
        """Put everything on the page.

        Args:
            server: the page.
            session: what is shown.
            stage: the scene beside the panel.
            title: what runs here, in Markdown.
            send: takes a command from any thread.
        """
        self._gui = server.gui
        self._send = send
        self._drawn: list[DrawnGroup] | None = None
        self._gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")
        self._gui.main_panel.dock_right()
        self._gui.add_markdown(title)
        self._add_controls(session)
        self._status = self._gui.add_html("")
        with self._gui.add_folder("Curves"):
            self._distance = self._add_curve("distance [mm]")
            self._reward = self._add_curve("reward")
        with self._gui.add_folder("Display", expand_by_default=False):
            self._add_display(stage)
        beside = self._gui.add_panel()
        beside.dock_left()
        beside.set_width(280)
        with beside.add_tab("Drawn values"):
            self._values = self._gui.add_html("")

    def show(self, session: Session, measured_speed: float) -> None:
        """Follow the session.

        Args:
            session: what is shown.
            measured_speed: the speed that is reached, in units of real time; NaN while unknown.
        """
        env, sim = session.env, session.sim
        self.simulation.value = sim + 1  # type: ignore[misc]  # viser defines the setter apart
        self.pause.label = "Resume" if session.paused else "Pause"
        self.pause.icon = viser.Icon.PLAYER_PLAY if session.paused else viser.Icon.PLAYER_PAUSE
        self._status.content = status_html(
            session.status(),
            paused=session.paused,
            speed=session.speed,
            measured_speed=measured_speed,
        )
        groups = drawn_groups(env.task.randomiser.terms, sim)
        if groups != self._drawn:
            self._drawn = groups
            self._values.content = drawn_html(groups)
        distance = session.history.distances(sim)
        self._distance.visible = not bool(np.isnan(distance).any())
        if self._distance.visible:
            _draw_curve(self._distance, 1000 * distance, session.period_s)
        _draw_curve(self._reward, session.history.rewards(sim), session.period_s)

    def _add_controls(self, session: Session) -> None:
        gui, count = self._gui, session.env.num_envs
        self.simulation = gui.add_slider(
            "Simulation",
            min=1,
            max=max(count, 2),
            step=1,
            initial_value=1,
            disabled=count == 1,
            hint="Which of the simulations is shown; all of them run.",
        )
        self._on(self.simulation.on_update, lambda event: _show(int(event.target.value)))
        around = gui.add_button_group("", ("Previous", "Next"), disabled=count == 1)
        self._on(around.on_click, lambda event: _AROUND[event.target.value])
        self.pause = gui.add_button("Pause", icon=viser.Icon.PLAYER_PAUSE)
        self._on(self.pause.on_click, lambda _: Session.toggle_pause)
        run = gui.add_button_group("", tuple(_RUN))
        self._on(run.on_click, lambda event: _RUN[event.target.value])
        speed = gui.add_button_group("Speed", tuple(_SPEED_NAMES))
        self._on(speed.on_click, lambda event: _speed(event.target.value))
        actions = gui.add_dropdown(
            "Actions",
            session.action_sources,
            initial_value=session.chosen,
            disabled=len(session.action_sources) == 1,
            hint="Where the actions of all simulations come from.",
        )
        self._on(actions.on_update, lambda event: _actions(event.target.value))

    def _add_display(self, stage: Stage) -> None:
        rendering = self._gui.add_dropdown(
            "Rendering",
            RENDERINGS,
            initial_value=RENDERINGS[1],
            hint="'fast' is for browsers that render without a graphics card.",
        )
        self._on(rendering.on_update, lambda event: lambda _: stage.render_as(event.target.value))
        contacts = self._gui.add_checkbox("Contact forces", False)
        self._on(
            contacts.on_update, lambda event: lambda _: stage.show_contacts(event.target.value)
        )
        collisions = self._gui.add_checkbox("Collision shapes", False)
        self._on(
            collisions.on_update, lambda event: lambda _: stage.show_collisions(event.target.value)
        )

    def _on(self, attach: Callable[..., Any], command: Callable[[Any], Command]) -> None:
        def handle(event: Any) -> None:
            # without a client, the value was set from here
            if event.client is not None:
                self._send(command(event))

        attach(handle)

    def _add_curve(self, label: str) -> viser.GuiUplotHandle:
        return self._gui.add_uplot(
            data=(np.zeros(2), np.zeros(2)),
            series=(
                {"label": "s"},
                {"label": label, "stroke": "#296bd9", "width": 1.5, "points": {"show": False}},
            ),
            scales={"x": {"time": False}, "y": {"auto": True}},
            axes=({"size": 26}, {"size": 44}),
            title=label,
            legend={"show": False},
            height=120,
        )


_AROUND: dict[str, Command] = {"Previous": Session.previous, "Next": Session.next}
_RUN: dict[str, Command] = {
    "Step": Session.step_once,
    "Reset": Session.reset,
    "Reset all": Session.reset_all,
}


def _show(number: int) -> Command:
    return lambda session: session.show(number - 1)


def _speed(name: str) -> Command:
    return lambda session: session.choose_speed(_SPEED_NAMES[name])


def _actions(name: str) -> Command:
    return lambda session: session.choose_actions(name)


def _draw_curve(curve: viser.GuiUplotHandle, values: Array, period_s: float) -> None:
    if len(values) > 1:
        curve.data = (np.arange(1.0, len(values) + 1) * period_s, values)
    else:
        # an empty chart has no axes
        curve.data = (np.array([0.0, period_s]), np.full(2, np.nan))
