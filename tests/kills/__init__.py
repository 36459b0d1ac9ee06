"""Kill runs: a platform under load, its parts killed at moments drawn from a seed, and a full account after."""
