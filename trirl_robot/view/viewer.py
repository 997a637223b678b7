"""The loop of the viewer: steps in real time, and what the page asks for."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

import viser

from trirl_robot.view.pacing import Pacer
from trirl_robot.view.panel import Command, Panel
from trirl_robot.view.session import Session
from trirl_robot.view.stage import Stage

FRAME_S = 1 / 30
"""Least time between two pictures while the simulations run [s]."""
PANEL_S = 0.2
"""Least time between two updates of the tables and curves while they run [s]."""
TRAIL_S = 2.0
"""Length of the end effector's trail [s]."""


class Viewer:
    """One session on one page; everything but the page's own threads happens in `run`."""

    def __init__(
        self,
        session: Session,
        server: viser.ViserServer,
        title: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Put the session on the page.

        Args:
            session: what is shown.
            server: the page.
            title: what runs here, in Markdown.
            clock: time that never runs backwards [s].
        """
        self._session = session
        self._clock = clock
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._pacer = Pacer(session.period_s)
        self._watchers = 0
        self._next_frame = self._next_panel = 0.0
        self._stage = Stage(server, session.env)
        self.panel = Panel(server, session, self._stage, title, self.send)
        server.on_client_connect(lambda _: self.watch(+1))
        server.on_client_disconnect(lambda _: self.watch(-1))
        self._draw(0.0)

    def send(self, command: Command) -> None:
        """Have a command done by `run`, on its thread; can be called from any other."""
        self._commands.put(command)

    def watch(self, change: int) -> None:
        """Note that so many more look at the page, or fewer; can be called from any thread."""

        def count(_: Session) -> None:
            self._watchers += change

        self.send(count)

    def run(self) -> None:
        """Run until an exception ends it, such as that of Ctrl-C.

        While nobody looks or everything is paused, it sleeps until a command comes.
        """
        while True:
            running = self._watchers > 0 and not self._session.paused
            if not running:
                self._pacer.halt()
            commanded = self._take_commands(self._pacer.wait_s(self._clock()) if running else None)
            now = self._clock()
            if commanded:
                self._next_frame = self._next_panel = now
            if self._watchers > 0 and not self._session.paused:
                for _ in range(self._pacer.due(now, self._session.speed)):
                    self._session.advance()
            self._draw(self._clock())

    def _take_commands(self, timeout_s: float | None) -> bool:
        """Do what the page has asked for, after a wait for it; return whether anything was."""
        taken = False
        while True:
            try:
                command = self._commands.get(timeout=0.0 if taken else timeout_s)
            except queue.Empty:
                return taken
            command(self._session)
            taken = True

    def _draw(self, now: float) -> None:
        session = self._session
        if now >= self._next_frame:
            self._next_frame = now + FRAME_S
            sim = session.sim
            self._stage.draw(
                sim,
                session.env.target_position[sim],
                session.history.trail(sim, round(TRAIL_S / session.period_s)),
                reached=session.status().success,
            )
        if now >= self._next_panel:
            self._next_panel = now + PANEL_S
            self.panel.show(session, self._pacer.measured_speed)
