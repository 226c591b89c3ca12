"""ASGI applications in-process: real Starlette, and the bare protocol."""

import contextlib

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from holodeck_http.app import App
from holodeck_http.asgi import AsgiApp, LifespanError, is_asgi


@pytest.fixture
def seen():
    """What an application did, in its order."""
    return []


@pytest.fixture
def app(seen):
    """A Starlette application with a lifespan, as WebTest sees it."""

    @contextlib.asynccontextmanager
    async def lifespan(_):
        seen.append("up")
        yield {"pool": "a pool"}
        seen.append("down")

    async def index(request):
        return JSONResponse(
            {"pool": request.state.pool, "q": dict(request.query_params)}
        )

    async def echo(request):
        form = await request.form() if request.method == "PUT" else None
        body = form or await request.json()
        return JSONResponse(dict(body), status_code=201)

    async def away(_):
        answer = RedirectResponse("/?q=there", status_code=303)
        answer.set_cookie("a", "1")
        answer.set_cookie("b", "2")
        return answer

    routes = [
        Route("/", index),
        Route("/echo", echo, methods=["POST"]),
        Route("/away", away),
    ]
    wsgi = AsgiApp(Starlette(routes=routes, lifespan=lifespan))
    yield App(wsgi)
    wsgi.close()


def test_lifespan_is_around_the_requests(app, seen):
    """Pools are there for the first request, made once, and closed at the end."""
    assert app.get("/?q=%C3%A9").json == {"pool": "a pool", "q": {"q": "é"}}
    app.get("/")
    assert seen == ["up"]
    app.app.close()
    assert seen == ["up", "down"]


def test_requests_are_those_of_wsgi(app):
    """JSON, redirects and several cookies come through as they are."""
    assert app.post_json("/echo", {"a": "ü" * 70_000}, status=201).json["a"][0] == "ü"
    assert app.get("/away", status=303).follow().json["q"] == {"q": "there"}
    assert app.cookies == {"a": "1", "b": "2"}
    app.get("/nowhere", status=404)


def test_startup_that_fails_is_said():
    """A test of an application that cannot start says why."""

    @contextlib.asynccontextmanager
    async def lifespan(_):
        raise OSError("no database")
        yield

    with pytest.raises(LifespanError, match="no database"):
        App(AsgiApp(Starlette(lifespan=lifespan))).get("/")


def test_application_without_lifespan():
    """The bare protocol needs no lifespan."""

    async def bare(scope, _, send):
        assert scope["type"] == "http"
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    assert is_asgi(bare)
    assert App(AsgiApp(bare)).get("/").text == "hello"


def test_wsgi_is_told_from_asgi():
    """What is called with an environment is no ASGI application."""
    assert is_asgi(Starlette())
    assert not is_asgi(lambda _environ, _start_response: [])
