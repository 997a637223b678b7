"""`trirl view`: the simulations of a task in a web browser."""

from __future__ import annotations

from pathlib import Path

import click

from trirl_robot.cli.options import randomisation_option
from trirl_robot.contract import require_same
from trirl_robot.errors import ConfigError
from trirl_robot.evaluation.rollouts import OnnxPolicy, Policy, RandomPolicy, ZeroPolicy
from trirl_robot.model_file import load_policy
from trirl_robot.sim.batch_env import BatchEnv
from trirl_robot.sim.env import make_batch
from trirl_robot.sim.episode_random import Purpose
from trirl_robot.view.guard import close_server, open_server
from trirl_robot.view.session import Session
from trirl_robot.view.viewer import Viewer


@click.command(name="view")
@click.argument("task", default="so101-reach")
@click.option("--policy", type=click.Path(path_type=Path), help="ONNX file that chooses actions.")
@click.option(
    "--actions",
    type=click.Choice(["policy", "zero", "random"]),
    help="Where actions come from at first.  [default: policy where one is given, else random]",
)
@randomisation_option("Dynamics drawn for each simulation", default="light")
@click.option("--num-envs", default=16, show_default=True, help="Simulations that run.")
@click.option("--seed", default=0, show_default=True, help="Fixes everything that is drawn.")
@click.option("--port", default=8080, show_default=True, help="Port of the page; 0 takes any.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. One that other machines reach makes a token part of the page's "
    "address; the connection is not encrypted.",
)
def command(
    task: str,
    policy: Path | None,
    actions: str | None,
    randomisation: str,
    num_envs: int,
    seed: int,
    port: int,
    host: str,
) -> None:
    """Show the simulations of TASK in a web browser, with the values drawn for each.

    Open the address that is printed; Ctrl-C ends the viewer.

    \b
    Examples:
      trirl view so101-reach --randomisation strong
      trirl view so101-lift --policy policy.onnx --num-envs 4
      trirl view half-cheetah --actions zero --port 9000
    """
    env = make_batch(
        task, num_envs=num_envs, randomisation=randomisation, seed=seed, purpose=Purpose.EVALUATION
    )
    sources = _sources(env, policy, task, seed)
    chosen = actions or next(iter(sources))
    if chosen not in sources:
        raise ConfigError("--actions is 'policy', and no --policy is given; name an ONNX file")
    session = Session(env, sources, chosen)
    server, address = open_server(host, port, "TRIRL")
    try:
        viewer = Viewer(session, server, f"**{task}**, dynamics drawn from **{randomisation}**")
        click.echo(f"open {address} in a browser; Ctrl-C ends the viewer")
        viewer.run()
    except KeyboardInterrupt:
        click.echo()  # the terminal shows ^C
    finally:
        close_server(server)


def _sources(env: BatchEnv, path: Path | None, task: str, seed: int) -> dict[str, Policy]:
    """Return where actions can come from, the first choice first."""
    size = env.contract.action_size
    sources: dict[str, Policy] = {"random": RandomPolicy(size, seed), "zero": ZeroPolicy(size)}
    if path is None:
        return sources
    model = load_policy(path)
    require_same(model.contract, env.contract, str(path), f"the task '{task}'")
    return {"policy": OnnxPolicy(model), **sources}
