"""What the pack's cloud drivers share: salt-cloud's calls, keys and events."""
