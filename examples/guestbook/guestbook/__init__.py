"""A guestbook: small, real, and different in each environment."""
