"""What the runner does with its hands: hosts, records, locks, the release."""
