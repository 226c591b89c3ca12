"""Machines that exist already, taken over by ssh: the hands of the driver saltify."""
