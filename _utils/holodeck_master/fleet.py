"""
Calls to an explicit list of minions that end within a stated time.

Salt's own clients leave out a minion that is lost, or report it only after
every other one has answered. Here each host of the list ends as an answer, an
error or a loss, and a lost one is noticed while the others still work.
"""

import contextlib
import logging
import time

import salt.client
import salt.utils.jid
from salt.exceptions import PublishError, SaltClientError, SaltReqTimeoutError

from holodeck_io.errors import HolodeckError
from holodeck_master import signals
from holodeck_master.bus import Bus
from holodeck_master.reply import Reply

log = logging.getLogger(__name__)
_POLL_S = 0.25
# A minion that runs the job answers find_job at once; one that is silent this
# often in a row is lost. Together longer than random_reauth_delay, 10 s by default:
# after any key was deleted minions wait up to that long before they hear again.
_PROBE_EVERY_S = 4
_PROBES = 5
# Of many hosts the answers take their time, and each probe is work for all of them:
# from 27 hosts on they are asked more rarely.
_PROBE_HOST_S = 0.15
# How long a master that is there may take for one call.
_UNHEARD_S = 15
# How long a master may be away between two calls: a restart, an upgrade.
_RESTART_S = 60


class UnheardError(HolodeckError):
    """The master does not take jobs."""


class CallFailedError(HolodeckError):
    """
    At least one host failed or was lost.

    The first line is a host's own: summaries show it alone. Which function it was
    says something of a host that said nothing.
    """

    def __init__(self, function, replies):
        self.replies = [reply for reply in replies.values() if not reply.ok]
        self.hosts = {reply.host: reply.error for reply in self.replies}
        asked = {reply.host: f" ({function})" for reply in self.replies if reply.lost}
        shown = (f"{host}: {e}{asked.get(host, '')}" for host, e in self.hosts.items())
        super().__init__("\n".join(shown))


def check(function, replies):
    """Raise :class:`CallFailedError` naming each host that failed or was lost."""
    if not all(reply.ok for reply in replies.values()):
        raise CallFailedError(function, replies)


def values(function, replies):
    """Return ``{host: value}`` of replies; raise as :func:`check` does."""
    check(function, replies)
    return {host: reply.value for host, reply in replies.items()}


class Fleet:
    """The minions of this master."""

    def __init__(self, opts):
        self._opts = opts
        self._client = salt.client.LocalClient(mopts=dict(opts))
        self._patience_s = 0
        self._begun = []

    def call(self, hosts, function, deadline_s=60, **arguments):
        """
        Return ``{host: value}`` of a function that succeeded on every host.

        Raises :class:`CallFailedError` naming each host that failed or was lost.
        """
        return self.call_groups([(hosts, function, arguments)], deadline_s)

    def call_groups(self, groups, deadline_s=60):
        """
        Return what :meth:`call` does, of groups of hosts that are called at once.

        groups
            ``[(hosts, function, arguments), …]``, no host in two of them.
        """
        functions = dict.fromkeys(function for _, function, _ in groups)
        return values(" and ".join(functions), self.ask_groups(groups, deadline_s))

    def ask(self, hosts, function, deadline_s=60, **arguments):
        """Return ``{host: Reply}``, one for each host of the list."""
        return self.ask_groups([(hosts, function, arguments)], deadline_s)

    def ask_groups(self, groups, deadline_s=60):
        """Return what :meth:`ask` does, of groups of hosts that are asked at once."""
        with self.begun(groups) as replies:
            return replies(deadline_s)

    @contextlib.contextmanager
    def begun(self, groups):
        """
        Ask groups of hosts at once, and do something else meanwhile.

        Yields a function of a deadline in seconds: it waits, and returns what
        :meth:`ask` does.
        """
        groups = [(sorted(set(hosts)), *rest) for hosts, *rest in groups]
        for hosts, function, _ in groups:
            if not hosts:
                raise HolodeckError(f"{function}: was called for no host at all.")
        with _Jobs(self._opts, self._client, self._patience_s) as jobs:
            jobs.start(groups)
            # A master that was there once is waited for when it is started anew.
            self._patience_s = _RESTART_S
            self._begun.append(jobs)
            try:
                yield jobs.replies
            finally:
                self._begun.remove(jobs)

    def hang_up(self):
        """
        Listen for nothing that was begun: whoever did not answer yet is lost.

        For before this process is forked, as salt-cloud does: each child would have the
        connection too, and complain of it at its end in a hundred lines.
        """
        for jobs in self._begun:
            jobs.end()

    def tell(self, hosts, function, **arguments):
        """
        Call a function of hosts, and wait neither for them nor for the master.

        Raises :class:`UnheardError` where the master does not take it.
        """
        jobs = _Jobs(self._opts, self._client, patience_s=0)
        jobs.publish(hosts, function, arguments)


class _Jobs:
    """Published jobs, their answers, and the probes for hosts that are silent."""

    def __init__(self, opts, client, patience_s):
        self._opts, self._client, self._patience_s = opts, client, patience_s
        self._jobs = {}
        self._misses = {}
        self._every_s = _PROBE_EVERY_S
        self._probes = set()
        self._replies = {}

    def __enter__(self):
        self._bus = Bus(self._opts, "salt/job/")
        return self

    def __exit__(self, *_):
        self._bus.close()

    def end(self):
        """Hear no more."""
        for host in list(self._misses):
            self._settle(Reply(host, error="was not waited for.", lost=True))
        self._bus.close()

    def start(self, groups):
        self._open()
        for hosts, function, arguments in groups:
            self._start(hosts, function, arguments)

    def replies(self, deadline_s):
        end = time.monotonic() + deadline_s
        self._every_s = max(_PROBE_EVERY_S, _PROBE_HOST_S * len(self._misses))
        probe_at = time.monotonic() + self._every_s
        while self._misses and time.monotonic() < end:
            self._collect()
            signals.check()
            if self._misses and time.monotonic() > probe_at:
                self._look_up()
                self._drop_lost()
                self._probe()
                probe_at = time.monotonic() + self._every_s
        error = f"gave no answer within {deadline_s} s."
        for host in list(self._misses):
            self._settle(Reply(host, error=error, lost=True))
        return dict(sorted(self._replies.items()))

    def _open(self):
        """Wait until no answer can be missed."""
        end = time.monotonic() + max(_UNHEARD_S, self._patience_s)
        while not self._bus.opens(_POLL_S):
            signals.check()
            if time.monotonic() > end:
                raise UnheardError(
                    "The master does not take jobs: nobody can listen to its events in "
                    f"{self._opts['sock_dir']}. Is salt-master running?"
                )

    def _start(self, hosts, function, arguments):
        jid, known = self.publish(hosts, function, arguments)
        for host in hosts:
            if host in known:
                self._jobs[host], self._misses[host] = jid, 0
            else:
                self._settle(
                    Reply(host, error="has no accepted key on this master.", lost=True)
                )

    def publish(self, hosts, function, arguments):
        """Publish a job; return its id and the hosts that the master knows."""
        jid = salt.utils.jid.gen_jid(self._opts)
        argument = [{"__kwarg__": True, **arguments}] if arguments else []
        end = time.monotonic() + self._patience_s
        while (known := self._send(jid, hosts, function, argument, end)) is None:
            signals.check()
            time.sleep(_POLL_S)
        return jid, known

    def _send(self, jid, hosts, function, argument, end):
        """Return the hosts that the master knows, or ``None`` to try once more."""
        try:
            sent = self._client.pub(
                hosts,
                function,
                arg=argument,
                tgt_type="list",
                jid=jid,
                timeout=_UNHEARD_S,
            )
        except PublishError:
            return []
        except (SaltClientError, SaltReqTimeoutError) as error:
            if time.monotonic() < end:
                return None
            raise UnheardError(
                f"The master does not take jobs: {error}. Is salt-master running?"
            ) from error
        return list((sent or {}).get("minions", []))

    def _collect(self):
        tag, data = self._bus.next(_POLL_S) or ("", {})
        if "/ret/" not in tag:
            return
        host, jid = data.get("id"), data.get("jid")
        if host not in self._misses:
            return
        if jid == self._jobs[host]:
            # The first answer counts; a second one finds the host settled.
            self._settle(Reply.of(host, data))
        elif jid in self._probes and data.get("return"):
            self._misses[host] = 0

    def _look_up(self):
        """
        Take the answers that came to the master and not to here.

        Salt cuts a bus that nobody reads for a minute, as while this process does
        something else.
        """
        for jid in {self._jobs[host] for host in self._misses}:
            for host, data in self._kept(jid).items():
                if host in self._misses and self._jobs[host] == jid:
                    self._settle(Reply.of(host, data))

    def _kept(self, jid):
        """Return ``{host: answer}`` of what the master's job cache has of a job."""
        cache = self._opts.get("master_job_cache", "local_cache")
        try:
            return self._client.returners[f"{cache}.get_jid"](jid)
        except Exception:  # a returner's own, of any kind
            log.warning("The job cache has nothing of %s.", jid, exc_info=True)
            return {}

    def _drop_lost(self):
        seconds = round(_PROBES * self._every_s)
        for host, misses in list(self._misses.items()):
            if misses >= _PROBES:
                self._settle(
                    Reply(host, error=f"is silent for {seconds} s.", lost=True)
                )

    def _probe(self):
        """Ask the silent hosts whether their job still runs."""
        waiting = {}
        for host in self._misses:
            self._misses[host] += 1
            waiting.setdefault(self._jobs[host], []).append(host)
        for job, hosts in waiting.items():
            jid, _ = self.publish(hosts, "saltutil.find_job", {"jid": job})
            self._probes.add(jid)

    def _settle(self, reply):
        self._misses.pop(reply.host, None)
        self._replies[reply.host] = reply
