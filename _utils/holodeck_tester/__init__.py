"""A service's HTTP suite on a tester minion: its processes, turns and reports."""
