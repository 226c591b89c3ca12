"""Every way into a cloud, and what a user reads when it is closed."""

import contextlib
import http.server
import json
import threading

import pytest
from waiting import free_port

from holodeck_io.errors import HolodeckError
from holodeck_openstack import provider
from holodeck_openstack.errors import OptionError
from salt_cloud import SaltCloud

pytestmark = pytest.mark.timeout(600)

_RACKSPACE = "rackspace_cloud_domain"


@pytest.fixture
def login(stack):
    """A login by password, as a provider has it."""
    auth = {
        "auth_url": stack.url, "username": "demo", "password": "labpass",
        "project_name": "demo", "user_domain_name": "Default",
        "project_domain_name": "Default",
    }  # fmt: skip
    return {"auth": auth, "region_name": "RegionOne"}


def _listed(tmp_path, stack, options):
    """Return what salt-cloud lists by a provider's options."""
    cloud = SaltCloud(tmp_path, stack, options=options)
    return cloud.client.list_sizes("lab")["lab"]["openstack"].keys()


def test_password_in_the_provider(tmp_path, stack, login):
    """A provider needs no clouds.yaml."""
    assert "m1.nano" in _listed(tmp_path, stack, login)


def test_application_credential(tmp_path, stack, login):
    """A credential that the project's user made logs in without a password."""
    identity = stack.tenant.identity
    user = stack.tenant.session.get_user_id()
    made = identity.create_application_credential(user, "of-a-test")
    auth = {
        "auth_url": stack.url,
        "application_credential_id": made.id,
        "application_credential_secret": made.secret,
    }
    options = {**login, "auth_type": "v3applicationcredential", "auth": auth}
    try:
        assert "m1.nano" in _listed(tmp_path, stack, options)
    finally:
        identity.delete_application_credential(user, made)


def test_rackspace_flex(tmp_path, stack, login):
    """A user and a project in Rackspace's domain are let in by a real keystone."""
    names = {"username": "flex", "project_name": "flex"}
    domains = dict.fromkeys(("user_domain_name", "project_domain_name"), _RACKSPACE)
    options = {**login, "auth": {**login["auth"], **names, **domains}}
    assert "m1.nano" in _listed(tmp_path, stack, options)


def test_rackspace_by_api_key(tmp_path, stack):
    """The legacy login asks as Rackspace wants it; nova takes the token that it got."""
    with _identity(stack) as url:
        options = {
            "profile": "rackspace", "auth_type": "rackspace_apikey",
            "auth": {"auth_url": url, "username": "me", "api_key": "abc"},
            "region_name": "DFW",
        }  # fmt: skip
        cloud = SaltCloud(tmp_path, stack, options=options)
        try:
            assert cloud.create("web1")["web1"]["state"] == "ACTIVE"
            error = cloud.error("web2", networks=["private"])
            assert "networks: the cloud has no network service" in error
            cloud.destroy("web1")
        finally:
            stack.clear()
        options["auth"]["api_key"] = "wrong"
        with pytest.raises(OptionError, match="auth: the cloud refuses the login"):
            provider.connect(options)


def test_token_that_was_revoked(tmp_path, stack, login):
    """Commands share one token; a revoked one is replaced, for all that come after."""
    folder = tmp_path / "cache/cloud/holodeck_openstack/tokens"
    # No service has asked keystone about it yet: each remembers the answer for a while.
    revoked = provider.connect(login, folder).auth_token
    assert provider.connect(login, folder).auth_token == revoked
    stack.admin.session.delete(
        f"{stack.url}/auth/tokens", headers={"X-Subject-Token": revoked}
    )
    cloud = SaltCloud(tmp_path, stack, options=login)
    listed = cloud.run("-Q")
    assert listed.returncode == 0, listed.stderr
    [path] = folder.glob("*.json")
    anew = json.loads(path.read_text())["auth_token"]
    assert anew != revoked
    assert provider.connect(login, folder).auth_token == anew
    wrong = {**login, "auth": {**login["auth"], "password": "hush"}}
    with pytest.raises(OptionError, match="auth: the cloud refuses the login"):
        provider.connect(wrong, folder)
    log = (tmp_path / "cloud.log").read_text()
    assert "/v2.1/servers/detail" in log
    assert not {token for token in (revoked, anew) if token in log}


def test_closed_ways(stack, login):
    """Each error names the entry of the provider to look at, and shows no secret."""
    auth = login["auth"]
    for options, message in (
        ({**login, "auth": {**auth, "password": "hush"}}, "auth: the cloud refuses"),
        ({**login, "auth": {**auth, "project_name": "x"}}, "auth: the cloud refuses"),
        (
            {**login, "region_name": "Mars"},
            "'Mars' has no servers; there are Reg",
        ),
        ({"cloud": "mine", "clouds_file": str(stack.clouds)}, "cloud: Cloud mine was"),
    ):
        with pytest.raises(OptionError, match=message) as caught:
            provider.connect(options)
        assert "hush" not in str(caught.value)


def test_nobody_answers(login):
    """A cloud that is not there is told from a login that is wrong."""
    url = f"http://127.0.0.1:{free_port()}/v3"
    with pytest.raises(HolodeckError, match=r"does not answer: .*check auth_url"):
        provider.connect({**login, "auth": {**login["auth"], "auth_url": url}})


@contextlib.contextmanager
def _identity(stack):
    """Run an identity service as Rackspace has it, with tokens of the real one."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Identity)
    server.stack = stack
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v2.0/"
    finally:
        server.shutdown()
        server.server_close()


class _Identity(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words):
        """Say nothing."""

    def do_POST(self):
        """Give a token for the right key."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = {"username": "me", "apiKey": "abc"}
        if asked != {"auth": {"RAX-KSKEY:apiKeyCredentials": key}}:
            self.send_error(401, "Username or api key is invalid.")
            return
        body = json.dumps({"access": self._access()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _access(self):
        tenant = self.server.stack.tenant
        project = tenant.session.get_project_id()
        token = {
            "id": tenant.session.get_token(), "expires": "2099-01-01T00:00:00Z",
            "tenant": {"id": project, "name": project},
        }  # fmt: skip
        catalogue = [
            {
                "name": name,
                "type": kind,
                "endpoints": [
                    {
                        "region": "DFW",
                        "tenantId": project,
                        "publicURL": tenant.session.get_endpoint(service_type=kind),
                    }
                ],
            }
            for name, kind in (
                ("cloudServersOpenStack", "compute"),
                ("cloudImages", "image"),
            )
        ]
        user = {"id": "1", "name": "me", "roles": []}
        return {"token": token, "user": user, "serviceCatalog": catalogue}
