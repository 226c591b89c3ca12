"""The benchmark of servers made in parallel."""
