"""Rackspace's legacy cloud: keystone 2.0 with a user's API key."""

import importlib

#: What a provider has as ``auth_type``.
API_KEY = "rackspace_apikey"


def api_key(url, username, key):
    """Return a plugin of keystoneauth's that logs in with an API key."""
    identity = importlib.import_module("keystoneauth1.identity.v2")

    class ApiKey(identity.Auth):
        """Rackspace's extension of the identity API: RAX-KSKEY."""

        has_scope_parameters = True

        def get_auth_data(self, headers=None):
            """Return what the login asks for a token with."""
            del headers
            words = {"username": username, "apiKey": key}
            return {"RAX-KSKEY:apiKeyCredentials": words}

        def get_cache_id_elements(self):
            """Return all that the login depends on, which a token may be kept for."""
            return {"auth_url": url, "username": username, "api_key": key}

    return ApiKey(url)


def region(found, plugin):
    """Return the region ``found`` with a login of its own."""
    cloud_region = importlib.import_module("openstack.config.cloud_region")
    return cloud_region.CloudRegion(
        name="rackspace", region_name=found.region_name, config=found.config,
        auth_plugin=plugin,
    )  # fmt: skip
