"""The batch of simulations as a web page: one simulation at a time, and what was drawn for it."""
