"""The HTTP pass measured: one noun a file, main.py is the recipe."""
