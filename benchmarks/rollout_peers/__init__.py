"""The same rolling deploy by three hands: main.py is the recipe."""
