"""Benchmark tasks with the semantics of Gymnasium's MuJoCo environments, version 5."""
