"""Our environments for the programs of others: Gymnasium, alone and batched, and dm_env."""
