"""How a commit becomes a bundle, on a builder."""
