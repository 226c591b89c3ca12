"""What a host's minion reads at its first start: its configuration and its keys."""

import yaml

# Seconds. Salt's own are for thousands of minions behind slow lines; these hosts are
# few and near, and come back a second after their master does.
_QUICK = {
    "acceptance_wait_time": 1,
    "acceptance_wait_time_max": 2,
    "auth_timeout": 5,
    "auth_tries": 20,
    "master_alive_interval": 0,
    "random_reauth_delay": 1,
    "random_startup_delay": 0,
    "recon_default": 200,
    "recon_max": 1000,
    "recon_randomize": True,
    "tcp_keepalive_idle": 5,
    "tcp_keepalive_cnt": 3,
    "tcp_keepalive_intvl": 2,
}


def config(generic, own, *, master, finger=None):
    """
    Return the minion's whole configuration, without grains.

    generic
        What salt-cloud makes of provider, profile and map.
    own
        What a user wrote under ``minion:`` in any of these, which wins.
    master
        The master's address as the host sees it.
    finger
        The fingerprint of the master's key, when it is known.
    """
    ours = {"master": master, "log_level": "warning", **_QUICK}
    if finger and not generic.get("master_finger"):
        ours["master_finger"] = finger
    merged = {**generic, **ours, **own}
    merged.pop("grains", None)
    return merged


def files(configuration, grains, private_key, public_key, environment):
    """
    Return path to ``(content, mode)`` of what makes a host a minion.

    environment
        Variables for the minion's process.
    """
    text = yaml.safe_dump(configuration, sort_keys=True)
    found = {
        "etc/salt/minion": (text, 0o640),
        "etc/salt/minion_id": (f"{configuration['id']}\n", 0o644),
        "etc/salt/pki/minion/minion.pem": (private_key, 0o400),
        "etc/salt/pki/minion/minion.pub": (public_key, 0o644),
    }
    if grains:
        found["etc/salt/grains"] = (yaml.safe_dump(grains), 0o644)
    if environment:
        lines = [_assignment(name, environment[name]) for name in sorted(environment)]
        path = "etc/systemd/system/salt-minion.service.d/environment.conf"
        found[path] = ("\n".join(["[Service]", *lines, ""]), 0o644)
    return found


def _assignment(name, value):
    # systemd expands % and reads backslashes and quotes.
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'Environment="{name}={text}"'
