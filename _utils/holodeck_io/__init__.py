"""The few effects that modules, runner and cloud driver share."""
