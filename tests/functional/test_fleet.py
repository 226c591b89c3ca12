"""Calls to minions: each host ends as an answer, an error or a loss, in time."""

# ruff: noqa: ARG002, ARG005 -- fakes take what the real ones take

from dataclasses import dataclass

import pytest
import salt.utils.dicttrim
from salt.exceptions import PublishError, SaltReqTimeoutError

from holodeck_io.errors import HolodeckError
from holodeck_master import fleet


@dataclass
class Minion:
    """
    How a minion behaves.

    after
        Seconds until it answers; ``None`` for never.
    finds
        Whether it tells on request that the job still runs.
    times
        How often it answers.
    """

    after: float | None = 1
    value: object = True
    finds: bool = True
    times: int = 1
    retcode: int = 0
    success: bool = True


class Master:
    """A bus and a client with a clock of their own; no second really passes."""

    def __init__(self):
        self.now = 0.0
        self.minions = {}
        self.queue, self.heard = [], []
        self.kept, self.loses = {}, False
        self.returners = {"local_cache.get_jid": self._get_jid}
        self.published = []
        self.refuses = None
        self.there, self.closed = True, False

    def pub(self, hosts, function, arg, tgt_type, jid, timeout):
        """Publish a job as ``LocalClient.pub`` does."""
        if self.refuses:
            raise self.refuses
        known = [host for host in hosts if host in self.minions]
        self.published.append((function, list(hosts), arg))
        for host in known:
            minion = self.minions[host]
            if function == "saltutil.find_job":
                self._find(host, minion, jid)
            elif minion.after is not None:
                for number in range(minion.times):
                    self._answer(minion.after + number, host, jid, minion)
        return {"jid": jid, "minions": known}

    def _find(self, host, minion, jid):
        done = minion.after is not None and self.now >= minion.after
        if minion.finds is not None:
            found = {"jid": "1"} if minion.finds and not done else {}
            self._answer(self.now + 0.1, host, jid, Minion(value=found))

    def _answer(self, moment, host, jid, minion):
        value = minion.value() if callable(minion.value) else minion.value
        data = {"id": host, "jid": jid, "return": value,
                "retcode": minion.retcode, "success": minion.success}  # fmt: skip
        self.kept.setdefault(jid, {})[host] = (moment, data)
        if not self.loses:
            tag = f"salt/job/{jid}/ret/{host}"
            self.queue.append((moment, (tag, data)))

    def _get_jid(self, jid):
        kept = self.kept.get(jid, {}).items()
        return {host: data for host, (moment, data) in kept if moment <= self.now}

    def opens(self, wait_s):
        """Tell that it is connected, or let the time pass."""
        self.now += 0 if self.there else wait_s
        return self.there

    def next(self, wait_s):
        """Return the next event that is due, or let the time pass."""
        due = sorted((e for e in self.queue if e[0] <= self.now), key=lambda e: e[0])
        if due:
            self.queue.remove(due[0])
            self.heard.append(due[0][1])
            return due[0][1]
        self.now += wait_s
        return None

    def close(self):
        """Remember that nobody listens any more."""
        self.closed = True


@pytest.fixture
def master(monkeypatch):
    """The master that :class:`fleet.Fleet` speaks to."""
    found = Master()
    monkeypatch.setattr(fleet.salt.client, "LocalClient", lambda mopts: found)
    monkeypatch.setattr(fleet, "Bus", lambda opts, prefix: found)
    monkeypatch.setattr(fleet.time, "monotonic", lambda: found.now)
    return found


@pytest.fixture
def hosts(master):
    """The minions' calls, with this master."""
    return fleet.Fleet({"unique_jid": True, "sock_dir": "run"})


def test_call_returns_every_value(master, hosts):
    """Every host's value comes back under its name."""
    master.minions = {"a": Minion(value=1), "b": Minion(after=3, value=[2])}
    assert hosts.call(["b", "a"], "test.echo", text="x") == {"a": 1, "b": [2]}
    assert master.published == [
        ("test.echo", ["a", "b"], [{"__kwarg__": True, "text": "x"}])
    ]


def test_call_names_each_failed_host(master, hosts):
    """One error names every host that failed, and only those."""
    master.minions = {"a": Minion(), "b": Minion(value="ERROR: no disk", retcode=1)}
    with pytest.raises(fleet.CallFailedError) as failed:
        hosts.call(["a", "b", "c"], "bundle.stage")
    assert str(failed.value) == (
        "b: no disk\nc: has no accepted key on this master. (bundle.stage)"
    )


def test_groups_of_hosts_have_arguments_of_their_own(master, hosts):
    """Calls that differ by host run side by side as jobs of their own."""
    master.minions = {"a": Minion(after=50), "b": Minion(after=50)}
    hosts.ask_groups([(["a"], "test.echo", {"n": 1}), (["b"], "test.echo", {"n": 2})])
    sent = [p for p in master.published if p[0] == "test.echo"]
    assert sent == [("test.echo", ["a"], [{"__kwarg__": True, "n": 1}]),
                    ("test.echo", ["b"], [{"__kwarg__": True, "n": 2}])]  # fmt: skip
    assert master.now < 60


def test_answers_count_that_came_during_something_else(master, hosts):
    """Who is asked meanwhile takes no answer from who was asked before."""
    master.minions = {"a": Minion(after=1, value="slow"), "b": Minion(after=5)}
    with hosts.begun([(["a"], "test.echo", {})]) as replies:
        assert hosts.call(["b"], "test.ping") == {"b": True}
        # A bus for each in truth; here the other one has taken what came.
        master.queue += [(0, event) for event in master.heard]
        assert replies(60)["a"].value == "slow"


def test_hang_up_leaves_no_connection_to_children(master, hosts):
    """What is forked meanwhile inherits no bus; who was asked counts as lost."""
    master.minions = {"a": Minion(after=1)}
    with hosts.begun([(["a"], "bundle.resolve", {})]) as replies:
        hosts.hang_up()
        assert master.closed
        assert replies(60)["a"].lost
    assert master.now == 0


def test_tell_waits_for_nobody(master, hosts):
    """The call is out, whether anybody hears it or not."""
    master.minions = {"a": Minion(after=None)}
    hosts.tell(["a"], "webtest.dismiss", standby="x")
    assert (master.published[0][0], master.now) == ("webtest.dismiss", 0)
    master.refuses = SaltReqTimeoutError("no answer")
    with pytest.raises(fleet.UnheardError, match="does not take jobs"):
        hosts.tell(["a"], "webtest.dismiss", standby="x")
    assert master.now == 0


def test_ask_lost_host_is_noticed_before_the_deadline(master, hosts):
    """A host that says nothing at all is lost long before the deadline."""
    master.minions = {"a": Minion(), "b": Minion(after=None, finds=None)}
    replies = hosts.ask(["a", "b"], "test.ping", deadline_s=600)
    assert replies["a"].ok
    assert replies["b"].lost
    assert replies["b"].error == "is silent for 20 s."
    assert master.now < 30


def test_ask_takes_an_answer_whose_event_was_lost(master, hosts):
    """What the master has is an answer, whether its event came here or not."""
    master.minions = {"a": Minion(value="done", retcode=0), "b": Minion(retcode=1)}
    master.loses = True
    replies = hosts.ask(["a", "b"], "test.ping", deadline_s=600)
    assert replies["a"].value == "done"
    assert not replies["b"].ok
    assert master.now < 10
    assert len(master.published) == 1


def test_ask_does_without_a_job_cache(master, hosts):
    """A returner that fails takes nothing away from what is heard."""
    master.minions = {"a": Minion(after=20)}
    master.returners = {}
    assert hosts.ask(["a"], "test.ping", deadline_s=600)["a"].ok


def test_ask_many_hosts_leaves_them_time(master, hosts):
    """What asks 100 hosts whether they live does not keep them from answering."""
    many = [f"web{number}" for number in range(100)]
    master.minions = dict.fromkeys(many, Minion(after=70, finds=None))
    replies = hosts.ask(many, "test.ping", deadline_s=600)
    assert all(reply.ok for reply in replies.values())
    assert len(master.published) < 8


def test_ask_host_that_forgot_the_job_is_lost(master, hosts):
    """A host that rebooted answers find_job, but without the job: it is lost."""
    master.minions = {"a": Minion(after=None, finds=False)}
    assert hosts.ask(["a"], "test.ping", deadline_s=600)["a"].lost
    assert master.now < 30


def test_ask_long_job_is_waited_for(master, hosts):
    """A host that says its job still runs may take until the deadline."""
    master.minions = {"a": Minion(after=500, value="done")}
    assert hosts.ask(["a"], "test.sleep", deadline_s=600)["a"].value == "done"


def test_ask_late_answer_still_counts(master, hosts):
    """A host that missed two probes and then answers has answered."""
    master.minions = {"a": Minion(after=11, value="late", finds=None)}
    assert hosts.ask(["a"], "test.ping", deadline_s=60)["a"].value == "late"


def test_ask_deadline_ends_what_still_runs(master, hosts):
    """At the deadline a host that still works counts as lost."""
    master.minions = {"a": Minion(after=None)}
    reply = hosts.ask(["a"], "test.sleep", deadline_s=60)["a"]
    assert reply.lost
    assert reply.error == "gave no answer within 60 s."
    assert 60 <= master.now < 62


def test_ask_first_answer_counts(master, hosts):
    """A second answer to the same job changes nothing."""
    values = iter(["first", "second"])
    master.minions = {"a": Minion(value=lambda: next(values), times=2),
                      "b": Minion(after=5)}  # fmt: skip
    assert hosts.ask(["a", "b"], "test.ping")["a"].value == "first"


def test_ask_answers_of_other_jobs_are_ignored(master, hosts):
    """What a host says to somebody else's job is no answer to ours."""
    master.minions = {"a": Minion(after=2, value="ours")}
    for tag, jid in (("salt/job/9/ret/a", "9"), ("salt/job/9/new", "9")):
        data = {"id": "a", "jid": jid, "return": "theirs"}
        master.queue.append((0, {"tag": tag, "data": data}))
    assert hosts.ask(["a"], "test.ping")["a"].value == "ours"


_FAILED_STATES = {
    "b": {"result": False, "__run_num__": 2, "__id__": "second", "comment": "no disk"},
    "a": {"result": False, "__run_num__": 1, "__id__": "first", "comment": "no net"},
    "c": {"result": True, "__run_num__": 0, "__id__": "fine", "comment": "fine"},
}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            Minion(value="VALUE_TRIMMED"),
            "answered more than max_event_size; raise that.",
        ),
        (Minion(value="ERROR: no disk", retcode=1), "no disk"),
        (Minion(value="Traceback: x", success=False), "Traceback: x"),
        (Minion(value=_FAILED_STATES, retcode=2), "first: no net; second: no disk"),
        (Minion(value=["Rendering failed"], retcode=1), "Rendering failed"),
        (Minion(value="", retcode=1), "failed without a word."),
        (Minion(value=[], retcode=1), "no states ran"),
    ],
    ids=[
        "trimmed",
        "error",
        "no success",
        "states",
        "rendering",
        "silent",
        "no states",
    ],
)
def test_ask_failure_is_an_error(master, hosts, answer, error):
    """What went wrong on a host is never a value, and is said in few words."""
    master.minions = {"a": answer}
    reply = hosts.ask(["a"], "test.ping")["a"]
    assert not reply.ok
    assert not reply.lost
    assert reply.error == error


def test_ask_failure_with_a_mapping_is_an_error(master, hosts):
    """A function that fails and returns a mapping is a failed one, no crash here."""
    master.minions = {"a": Minion(value={"ok": False}, retcode=1)}
    assert not hosts.ask(["a"], "test.ping")["a"].ok


def test_ask_value_trimmed_inside_is_an_error(master, hosts):
    """Salt trims parts of an answer too; a part that is missing is a failure."""
    load = {"return": {"layers": ["x" * 5000], "ok": True}}
    trimmed = salt.utils.dicttrim.trim_dict(load, 100)["return"]
    assert trimmed == {"layers": "VALUE_TRIMMED", "ok": True}
    master.minions = {"a": Minion(value=trimmed)}
    assert not hosts.ask(["a"], "bundle.build_all")["a"].ok


def test_ask_no_host_is_refused(hosts):
    """A call for no host at all is a failure, never a success of nobody."""
    with pytest.raises(HolodeckError, match="was called for no host at all"):
        hosts.ask([], "test.ping")


def test_ask_hosts_without_keys_are_lost(master, hosts):
    """When no key of the list is accepted, every host is lost at once."""
    master.refuses = PublishError("no minions matched")
    assert hosts.ask(["a"], "test.ping")["a"].lost


def test_ask_dead_master_says_so(master, hosts):
    """When the master takes no jobs, that is what the error says."""
    master.refuses = SaltReqTimeoutError("timed out")
    with pytest.raises(HolodeckError, match="Is salt-master running"):
        hosts.ask(["a"], "test.ping")
    master.there, master.now = False, 0
    with pytest.raises(fleet.UnheardError, match="Is salt-master running"):
        hosts.ask(["a"], "test.ping")
    assert 15 <= master.now < 16
