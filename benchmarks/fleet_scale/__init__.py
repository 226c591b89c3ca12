"""What a release costs the master as its fleet grows: main.py is the recipe."""
