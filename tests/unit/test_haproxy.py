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


def test_set_state_names_backend_and_server():
    """The command is HAProxy's own."""
    wanted = "set server guestbook/demo-web1 state drain"
    assert haproxy.set_state("guestbook", "demo-web1", "drain") == wanted
