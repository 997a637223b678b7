"""Our environments for the programs of others: Gymnasium, alone and batched, and dm_env.

    import gymnasium
    import trirl_robot  # after gymnasium, or trirl_robot.sim anywhere: this registers the names

    env = gymnasium.make("trirl/so101-reach-v0", randomisation="light", render_mode="rgb_array")
    envs = gymnasium.make_vec("trirl/so101-reach-v0", num_envs=64, autoreset_mode="SameStep")
    # without any import, as a string: "trirl_robot:trirl/so101-reach-v0"

    from trirl_robot.sim.adapters.dm_environment import DmEnvironment

    environment = DmEnvironment("so101-reach", randomisation="light", seed=0)

Every file `configs/tasks/NAME.yaml` is `trirl/NAME-v0`; `task="my_task.yaml"` takes another one.
"""
