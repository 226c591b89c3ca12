"""Local hosts: systemd-nspawn containers that behave like small machines."""
