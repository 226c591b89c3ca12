"""The hands of the cloud driver ``openstack``."""
