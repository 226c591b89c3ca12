"""HAProxy's runtime words, and its real answers."""

import pytest

from holodeck import haproxy

_HEAD = (
    "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,"
    "wretr,wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,"
    "sid,throttle,lbtot,tracked,type,rate,rate_lim,rate_max,check_status,check_code,"
    "check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,hanafail,"
    "req_rate,req_rate_max,req_tot,cli_abrt,srv_abrt,comp_in,comp_out,comp_byp,comp_rsp,"
    "lastsess,last_chk,last_agt,qtime,ctime,rtime,ttime,agent_status,agent_code,"
    "agent_duration,check_desc,agent_desc,check_rise,check_fall,check_health,agent_rise,"
    "agent_fall,agent_health,addr,cookie,mode,algo,"
)


def _row(**values):
    keys = _HEAD.removeprefix("# ").rstrip(",").split(",")
    return ",".join(str(values.get(key, "")) for key in keys) + ","


def _answer(*rows):
    return "\n".join([_HEAD, *rows, "", ""])


_SERVER = {"pxname": "guestbook", "svname": "demo-web1", "qcur": 0, "scur": 0,
           "status": "UP", "check_status": "L7OK", "addr": "10.77.0.11:8000",
           "last_chk": '"OK, all well"'}  # fmt: skip


def test_parse_stat_reads_each_server():
    """Each backend's servers come with state, requests under way, and address."""
    text = _answer(
        _row(pxname="guestbook", svname="FRONTEND", status="OPEN"),
        _row(**_SERVER),
        _row(**{**_SERVER, "svname": "demo-web2", "status": "DRAIN", "scur": 2,
                "qcur": 1, "addr": "10.77.0.12:8000"}),
        _row(pxname="guestbook", svname="BACKEND", status="UP"),
        _row(**{**_SERVER, "pxname": "kinto"}),
    )  # fmt: skip
    assert haproxy.parse_stat(text) == {
        "guestbook": {
            "demo-web1": {"status": "UP", "sessions": 0, "check": "L7OK",
                          "address": "10.77.0.11:8000"},
            "demo-web2": {"status": "DRAIN", "sessions": 3, "check": "L7OK",
                          "address": "10.77.0.12:8000"},
        },
        "kinto": {"demo-web1": {"status": "UP", "sessions": 0, "check": "L7OK",
                                "address": "10.77.0.11:8000"}},
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "\n", _HEAD, _HEAD + "\n\n"])
def test_parse_stat_of_nothing_is_empty(text):
    """An answer without servers has none."""
    assert haproxy.parse_stat(text) == {}


@pytest.mark.parametrize(
    ("status", "sessions", "drained", "up"),
    [
        ("UP", 0, False, True), ("UP 1/3", 4, False, True),
        ("no check", 0, False, True),
        ("DRAIN", 0, True, False), ("DRAIN", 1, False, False),
        ("DRAIN (agent)", 0, True, False), ("DOWN", 0, True, False),
        ("DOWN 1/2", 0, True, False), ("DOWN", 1, False, False),
        ("MAINT", 0, True, False), ("MAINT (resolution)", 0, True, False),
        ("NOLB", 0, True, False),
    ],
)  # fmt: skip
def test_drained_and_up_by_status(status, sessions, drained, up):
    """Drained means: nothing new comes, nothing is left; up means: in rotation."""
    server = {"status": status, "sessions": sessions}
    assert haproxy.is_drained(server) is drained
    assert haproxy.is_up(server) is up


_STATE = (
    "1\n"
    "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_port srvrecord\n"
    "3 guestbook 1 demo-web1 10.77.0.11 2 8000 -\n"
    "3 guestbook 2 demo-web2 10.77.0.12 2 8000 -\n"
    "4 kinto 1 demo-web1 10.77.0.11 2 8888 -\n"
)
_WANTED = {
    "guestbook": {"demo-web1": "10.77.0.11:8000", "demo-web2": "10.77.0.12:8000"},
    "kinto": {"demo-web1": "10.77.0.11:8888"},
}


@pytest.mark.parametrize("text", ["", "1\n", _STATE])
def test_split_state_keeps_what_is_where_it_was(text):
    """Where no server moved the file stays as it is, byte for byte."""
    assert haproxy.split_state(text, _WANTED) == (text, [])


@pytest.mark.parametrize(
    ("backend", "server", "place"),
    [("guestbook", "demo-web2", "10.77.0.99:8000"),
     ("guestbook", "demo-web1", "10.77.0.11:8001"), ("kinto", "demo-web1", None)],
    ids=["address", "port", "gone"],
)  # fmt: skip
def test_split_state_forgets_servers_that_moved(backend, server, place):
    """A server that is elsewhere now, or nowhere, loses its state; others keep it."""
    wanted = {**_WANTED, backend: {**_WANTED[backend], server: place}}
    kept, moved = haproxy.split_state(_STATE, wanted)
    assert moved == [f"{backend}/{server}"]
    gone = set(_STATE.splitlines()) - set(kept.splitlines())
    assert [line.split()[1::2][:2] for line in gone] == [[backend, server]]
    assert kept.startswith("1\n# be_id ")


def test_split_state_knows_ipv6():
    """An IPv6 address stands in the file as in the definition."""
    text = _STATE.replace("10.77.0.11", "fd00::1")
    wanted = {"guestbook": {"demo-web1": "fd00::1:8000"}}
    assert "guestbook/demo-web1" not in haproxy.split_state(text, wanted)[1]


def test_set_state_names_backend_and_server():
    """The command is HAProxy's own."""
    wanted = "set server guestbook/demo-web1 state drain"
    assert haproxy.set_state("guestbook", "demo-web1", "drain") == wanted
