"""The trust region of the policy update, and the multiplier that was really enforced.

Three forms, chosen by `form` in the configuration:

- `penalty`: a KL penalty, its multiplier adapted to a bound on the mean KL (`adapted`) or annealed
  by a schedule (`annealed`);
- `projection`: bounds on the mean and on the covariance that hold in every state, by a
  differentiable projection (`projection`), whose mathematics is in `gaussian`.

`multiplier` measures the multiplier of whatever update was made; `forms` builds a form from its
configuration; `base` is what they share.

Units. The surrogate that PPO maximises holds advantages divided by their standard deviation s, in
units of the temperature (entropy_coef). Divided by entropy_coef / s, it reads
E[A_nats] + H - eta KL with eta = penalty * s / entropy_coef, which is what is reported: the
multiplier in the objective that was really descended, in nats.

A heuristic remains, as in every deep form of the method: the theorem's problem takes the Q-function
of the new policy, PPO that of the old one, its clip binds beside the penalty, and a few epochs do
not reach the optimum. In the exact case the error of the first is 5e-3 at eta = 10 and 7e-5 at
eta = 100. The others make the penalty's eta too small: it is the multiplier of an update that has
converged. So what an update is really worth is measured and logged for every form
(`trust_region/marginal_eta`); it is the eta of the projection, and that of the penalties on request
(`multiplier: marginal`).
"""
