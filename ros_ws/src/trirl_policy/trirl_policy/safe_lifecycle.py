"""A lifecycle node that survives invalid requests and failing transitions, and says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from trirl_robot.errors import TrirlError

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE


class SafeLifecycleNode(LifecycleNode):
    """Subclasses write `configure`, `activate`, `deactivate`, `cleanup`, which raise on failure.

    `last_error` holds the reason of the last transition that failed, empty after a success.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.last_error = ""
        self._guard_requests()

    def configure(self) -> None:
        """Prepare everything that activation needs."""

    def activate(self) -> None:
        """Start."""

    def deactivate(self) -> None:
        """Stop."""

    def cleanup(self) -> None:
        """Undo `configure`; called in any state, also after a failed `configure`."""

    def report(self) -> None:
        """Tell the world about `last_error`; called after each transition."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Configure, or clean up and fail with a reason."""
        result = self._attempt("configure", self.configure, state, super().on_configure)
        if result is not SUCCESS:
            self.cleanup()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate, or fail with a reason."""
        return self._attempt("activate", self.activate, state, super().on_activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate."""
        return self._attempt("deactivate", self.deactivate, state, super().on_deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Clean up."""
        return self._attempt("clean up", self.cleanup, state, super().on_cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and clean up from any state."""

        def stop() -> None:
            self.deactivate()
            self.cleanup()

        return self._attempt("shut down", stop, state, super().on_shutdown)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and clean up; the node is unconfigured afterwards and can be configured again."""
        return self.on_shutdown(state)

    def _attempt(
        self,
        what: str,
        own: Callable[[], None],
        state: LifecycleState,
        entities: Callable[[LifecycleState], TransitionCallbackReturn],
    ) -> TransitionCallbackReturn:
        # rclpy swallows exceptions of transitions without a word
        try:
            own()
        except TrirlError as error:
            self.last_error = f"cannot {what}: {error}"
        except Exception as error:  # noqa: BLE001 - must not leave a robot in between two states
            self.last_error = f"cannot {what}: {type(error).__name__}: {error}"
        else:
            self.last_error = ""
        if self.last_error:
            self.get_logger().error(self.last_error)
            self.report()
            return FAILURE
        result = entities(state)
        self.report()
        return result

    def _guard_requests(self) -> None:
        """Answer invalid `change_state` requests with a refusal.

        In this rclpy the exception of an impossible transition leaves the executor and ends the
        process, so any client could stop a robot's controller by one wrong call.
        """
        service = self._service_change_state
        answer = service.callback

        def guarded(request: Any, response: Any) -> Any:
            try:
                return answer(request, response)
            except Exception as error:  # noqa: BLE001 - see above
                state = self._state_machine.current_state[1]
                wanted = request.transition.label or request.transition.id
                self.get_logger().warning(
                    f"refused the transition {wanted!r} in the state '{state}': {error}"
                )
                response.success = False
                return response

        service.callback = guarded
