"""Bundles on a host: placed, proven, entered, removed."""
