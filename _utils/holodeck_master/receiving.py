"""
What comes in by webhook, on its way from the event bus to the pushes that wait.

The reactor's file hands over the event as it is. Nothing of it goes on but a service's
and an environment's name, and no forged one costs more than its signature's check.
"""

import logging
import time

from holodeck import ephemeral, webhooks
from holodeck import webhook_signatures as signatures
from holodeck_io.errors import HolodeckError
from holodeck_master import pillar, pushes, records, registry

log = logging.getLogger(__name__)
#: What the tags of salt-api's events begin with; the service's name follows.
TAG = "salt/netapi/hook/holodeck/"

# Rendering pillar takes longer than any flood may cost.
_DEFINITION_S = 10
_LOG_EVERY_S = 10

_receivers = {}


def of(opts):
    """Return this process's :class:`Receiver`, which remembers the definition."""
    home = opts["cachedir"]
    if home not in _receivers:
        _receivers[home] = Receiver(opts)
    return _receivers[home]


class Receiver:
    """
    Takes webhooks in, in a process that lives as long as its master.

    opts
        The master's configuration.
    clock
        Returns the time in seconds since the epoch.
    """

    def __init__(self, opts, clock=time.time):
        self._opts, self._clock = opts, clock
        self._desk = pushes.Desk(opts)
        self._records = records.Records(opts)
        self._registry = registry.Registry(opts)
        self._definition, self._secrets, self._read_at = None, {}, None
        self._logged = {}

    def reaction(self, tag, data):
        """
        Return the reaction to an event, for Salt's reactor: whom to wake, or nothing.

        tag
            The event's, which names the service.
        data
            What salt-api made of the request: ``body`` and ``headers``.
        """
        name = tag.removeprefix(TAG)
        # A minion may send an event of this tag too, with anything in it.
        headers = data.get("headers")
        headers = headers if isinstance(headers, dict) else {}
        try:
            woken = self._taken(name, headers, data.get("body"))
        except webhooks.RefusedError as why:
            self._say(name, "refused", why)
            return {}
        except webhooks.IgnoredError as why:
            self._say(name, "ignored", why)
            return {}
        except Exception as error:  # noqa: BLE001
            # A full disk, a cache that does not answer: the forge may send it again.
            self._say(name, "lost", f"{type(error).__name__}: {error}")
            return {}
        return {
            f"push of {service} to {environment}": {
                "runner.holodeck.push": [
                    {"args": [{"service": service}, {"env": environment},
                              {"background": True}]}
                ]
            }
            for service, environment in woken
        }  # fmt: skip

    def _taken(self, name, headers, body):
        """Take one webhook in; return the places where somebody has to be woken."""
        service, secrets = self._service(name)
        scheme = service.webhook["scheme"]
        secret = webhooks.verify(scheme, secrets, headers, body, self._clock())
        if self._desk.seen(name, webhooks.digest(body)):
            # Whoever should have worked on it may have died.
            left = [key for key in self._keys(name) if self._desk.left(key)]
            if woken := [key for key in left if self._desk.should_wake(key)]:
                return woken
            raise webhooks.IgnoredError("it came before, byte for byte")
        # Only the pack's own hook asks what came of it.
        follower = signatures.receipt(secret, body) if scheme == "holodeck" else ""
        try:
            found = webhooks.pushes(scheme, headers, body, name, service.repository)
            with self._registry.held():
                keys = self._laid(name, found, follower)
        except (webhooks.RefusedError, webhooks.IgnoredError) as why:
            self._desk.tell(
                [follower] if follower else [], state=pushes.REFUSED, line=str(why)
            )
            raise
        finally:
            self._desk.prune()
        self._desk.see(name, webhooks.digest(body))
        return [key for key in keys if self._desk.should_wake(key)]

    def _laid(self, name, found, follower):
        """Let pushes wait in each place that takes their branch; return the places."""
        keys, why = [], None
        for push in found:
            try:
                places = self._places(name, push.branch)
            except webhooks.IgnoredError as error:
                why = error
                continue
            for place in places:
                self._lay((name, place), push, follower)
                keys.append((name, place))
        if not keys:
            raise why
        return list(dict.fromkeys(keys))

    def _lay(self, key, push, follower):
        facts = {
            "branch": push.branch, "commit": push.commit, "forced": push.forced,
            "befores": [push.before] if push.before else [], "pusher": push.pusher,
            "followers": [follower] if follower else [],
        }  # fmt: skip
        laid = self._desk.lay(key, facts, self._records.reserve)
        line = f"{' in '.join(key)}: {laid['release']} is to release {push.branch}"
        self._desk.tell(facts["followers"], release=laid["release"], line=line)
        log.warning("Webhook: %s, pushed by %s", line, push.pusher or "somebody")

    def _keys(self, name):
        """Return every place of a service that takes pushes."""
        return [
            (name, environment.name)
            for environment in self._definition.environments.values()
            if name in environment.services and environment.services[name].push
        ]

    def _places(self, name, branch):
        """Return the environments that take a branch, made by this push or before."""
        found = [
            environment.name
            for environment in self._definition.environments.values()
            if name in environment.services
            and environment.services[name].push == branch
        ]
        why = (
            f"no environment takes pushes of {branch}: `push: {branch}` in the "
            "service's place would say so"
        )
        for template in self._definition.templates.values():
            placement = template.services.get(name)
            if not (placement and ephemeral.matches(placement.push, branch)):
                continue
            if made := self._registry.add(template, branch, self._clock()):
                found.append(made)
                continue
            why = (
                f"there are {template.ephemeral['most']} environments after "
                f"{template.name} already; `holodeck.destroy` one, or wait"
            )
            if found:
                self._say(name, f"has no environment after {template.name}", why)
        if not found:
            raise webhooks.IgnoredError(why)
        return list(dict.fromkeys(found))

    def _service(self, name):
        """Return a service that takes webhooks, and its secrets."""
        self._refresh()
        known = self._definition.services.get(name)
        if known is None or not known.webhook:
            raise webhooks.RefusedError("no service of that name takes webhooks")
        if name not in self._secrets:
            self._secrets[name] = list(self._revealed(known))
        return known, self._secrets[name]

    def _revealed(self, service):
        """Yield the secrets of a service; one that cannot be had counts for nothing."""
        scheme = service.webhook["scheme"]
        for text in service.webhook["secrets"]:
            try:
                secret = pillar.revealed(self._opts, text)
            except HolodeckError as error:
                self._say(service.name, "without a secret", error)
                continue
            if signatures.is_secret(scheme, secret):
                yield secret
            else:
                # Only what sdb has is looked at here for the first time.
                why = f"{text}: is short, or has spaces in it"
                self._say(service.name, "without a secret", why)

    def _refresh(self):
        now = time.monotonic()
        if self._read_at is not None and now - self._read_at < _DEFINITION_S:
            if self._definition is None:
                raise HolodeckError("the definition could not be read a moment ago")
            return
        self._definition, self._secrets = None, {}
        try:
            self._definition = pillar.load(self._opts)
        finally:
            # From its end on: rendering may take longer than it counts.
            self._read_at = time.monotonic()

    def _say(self, name, what, why):
        """Log why nothing comes of a webhook; of a flood, now and then and how many."""
        known = self._definition and name in self._definition.services
        name = name if known else "an unknown service"
        now = time.monotonic()
        at, count = self._logged.get((name, what), (None, 0))
        if at is not None and now - at < _LOG_EVERY_S:
            self._logged[name, what] = at, count + 1
            return
        more = f" ({count} more since)" if count else ""
        log.warning("Webhook for %s: %s, %s%s", name, what, why, more)
        self._logged[name, what] = now, 0
