"""How the application answers: to whom, to what, with which headers."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Request

from ProxyPatternPool import Pool
from ProxyPatternPool.status import is_local, status_app

from ..unit.clock import HandMovedClock
from ..unit.helpers import DEADLINE, Thing, Works
from .support import ask

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

pytestmark = pytest.mark.usefixtures("scheduler")


# --- Who may see it. -----------------------------------------------------------------------------------


@pytest.fixture
def pool(works: Works) -> Pool[Thing]:
    return Pool(works.make, name="db")


FOREIGN: list[dict[str, str]] = [
    {"REMOTE_ADDR": "192.0.2.1"},
    {"REMOTE_ADDR": ""},
    {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
    {"HTTP_HOST": "evil.example"},
]


@pytest.mark.parametrize("environ", FOREIGN)
@pytest.mark.parametrize("path", ["/", "/?format=json", "/?format=fragment", "/elsewhere"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_forbidden(pool: Pool[Thing], environ: dict[str, str], path: str, method: str) -> None:
    """To all but this machine, whatever they ask for."""
    answer = ask(status_app(pool), path, method, **environ)
    assert answer.status_code == 403
    assert b"db" not in answer.data


def test_behind_a_middleware_that_believes_the_proxy(pool: Pool[Thing]) -> None:
    """Which has a forged header look like an address."""
    answer = ask(ProxyFix(status_app(pool)), REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="127.0.0.1")
    assert answer.status_code == 403


@pytest.mark.parametrize("environ", [{}, *FOREIGN])
def test_allow_decides_alone(pool: Pool[Thing], environ: dict[str, str]) -> None:
    assert ask(status_app(pool, allow=lambda environ: True), **environ).status_code == 200
    assert ask(status_app(pool, allow=lambda environ: False), **environ).status_code == 403


def test_allow_sees_the_request(pool: Pool[Thing]) -> None:
    def allow(environ: WSGIEnvironment) -> bool:
        return is_local(environ) or Request(environ).headers.get("X-Key") == "open"

    app = status_app(pool, allow=allow)
    assert ask(app).status_code == 200
    assert ask(app, REMOTE_ADDR="192.0.2.1").status_code == 403
    assert ask(app, REMOTE_ADDR="192.0.2.1", HTTP_X_KEY="open").status_code == 200


def test_an_allow_that_fails_allows_nothing(pool: Pool[Thing]) -> None:
    """Nor does one that gives something which only counts as true, as a coroutine does."""
    with pytest.raises(ZeroDivisionError):
        ask(status_app(pool, allow=lambda environ: bool(1 // 0)))
    wrong = lambda environ: "yes"  # noqa: E731  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType]  # untyped, as users may write it
    with pytest.raises(TypeError, match="allow must give True or False, not 'yes'"):
        ask(status_app(pool, allow=wrong))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a str


# --- How it answers. -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/?format=html", "/?format=json", "/?format=fragment"])
def test_head(pool: Pool[Thing], clock: HandMovedClock, path: str) -> None:
    """The same without the text."""
    app = status_app(pool)
    head, get = ask(app, path, "HEAD"), ask(app, path)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers == get.headers
    assert get.content_length == len(get.data) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_it_is_only_to_be_read(pool: Pool[Thing], method: str) -> None:
    answer = ask(status_app(pool), method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_other_pages_and_formats(pool: Pool[Thing]) -> None:
    assert ask(status_app(pool), "/elsewhere").status_code == 404
    assert ask(status_app(pool), "/?format=xml").status_code == 400
    assert ask(status_app(pool), "/", QUERY_STRING="format=\xff").status_code == 400


def test_a_pause_without_scripts(pool: Pool[Thing]) -> None:
    """Where a page loads itself anew there is a link to one that does not, and back."""
    lively, still = (ask(status_app(pool), path).get_data(as_text=True) for path in ("/", "/?refresh=0"))
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in lively
    assert '<noscript><a href="?refresh=0">Pause</a></noscript>' in lively
    assert "http-equiv" not in still
    assert '<noscript><a href="?">Go on</a></noscript>' in still
    for page in (lively, still):
        assert '<details id="counters-0" open>' in page
    assert '<details id="counters-0">' in ask(status_app(pool), "/?format=fragment").get_data(as_text=True)


@pytest.mark.parametrize("environ", [{}, {"REMOTE_ADDR": "192.0.2.1"}])
@pytest.mark.parametrize("path", ["/", "/?format=json", "/elsewhere"])
def test_headers(pool: Pool[Thing], environ: dict[str, str], path: str) -> None:
    headers = ask(status_app(pool), path, **environ).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_the_policy_knows_what_is_in_the_page(pool: Pool[Thing]) -> None:
    answer = ask(status_app(pool))
    for kind in ("script", "style"):
        [inside] = re.findall(f"<{kind}>(.*?)</{kind}>", answer.get_data(as_text=True), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in answer.headers["Content-Security-Policy"]
    assert 'style="' not in answer.get_data(as_text=True)
    assert "http" not in re.sub("http-equiv|http://www.w3.org/2000/svg", "", answer.get_data(as_text=True))


def test_beside_an_application(pool: Pool[Thing]) -> None:
    """Mounted as its documentation says."""
    site = Flask(__name__)
    site.add_url_rule("/", view_func=lambda: "hello")
    app = DispatcherMiddleware(site.wsgi_app, {"/status": status_app(pool)})
    assert ask(app).data == b"hello"
    for path in ("/status", "/status/"):
        assert b"<h1>Pools</h1>" in ask(app, path).data
    assert ask(app, "/status/more").status_code == 404


# --- Bad input. ----------------------------------------------------------------------------------------


def test_only_pools_and_proxies() -> None:
    with pytest.raises(TypeError, match="status_app shows pools and proxies, not a Thing"):
        status_app(Thing(0))


@pytest.mark.parametrize("name", ["allow", "error_text"])
def test_what_cannot_be_called(pool: Pool[Thing], name: str) -> None:
    wrong: dict[str, object] = {name: 7}
    with pytest.raises(TypeError, match=f"{name} must be callable, not 7"):
        status_app(pool, **wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is tested


def test_without_werkzeug() -> None:
    """The error says what to install, and all the rest works."""
    script = """
import sys
sys.modules["werkzeug"] = sys.modules["werkzeug.wrappers"] = None
import ProxyPatternPool
try:
    import ProxyPatternPool.status
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert (done.stdout, done.stderr) == (
        (
            "ProxyPatternPool.status needs werkzeug, which cannot be imported: "
            "pip install werkzeug (this package's extra 'werkzeug')\n"
        ),
        "",
    )
