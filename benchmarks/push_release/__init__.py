"""A release by push measured: main.py is the recipe, floors.py what stands beside."""
