"""A service on its host: deployments on disk, and the health of processes."""
