"""TRIRL on finite Markov decision processes, where every step of it can be solved exactly.

This is where the theorem of Diwan et al. (TRIRL, ICML 2026, arXiv 2605.11020) is shown to hold to
numerical precision, and what the deep learner approximates:

- `mdp`: processes and their discounted occupancies; `worlds`: the ones that are used;
- `soft`: soft value iteration, counted in sweeps;
- `matching`: what of the expert is matched, and with which rewards (of states and actions, of
  states alone, linear in features);
- `trust_region`: the policy update within a trust region, solved exactly;
- `ascent`: TRIRL, the same without its correction, and full dual ascent, as one loop;
- `theorem`: by how much the two sides of the theorem differ;
- `comparison`: what `trirl tabular` runs.

Policies and occupancies are kept as logarithms. All of it is numpy in float64.
"""
