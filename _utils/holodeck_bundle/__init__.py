"""How a commit becomes layers on a builder, and layers a bundle on a host."""
