"""Bundles measured beside their peers: one noun a file, main.py is the recipe."""
