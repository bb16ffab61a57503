"""The page of a live, loaded pool, in a real browser."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from ProxyPatternPool import Pool
from ProxyPatternPool.status import StatusData, status_app

from ..unit.helpers import DEADLINE, Caller, Thing, Works, eventually
from .browser import Browser, Tab

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

pytestmark = pytest.mark.timeout(120)

PHONE = 360


class Silent(WSGIRequestHandler):
    """Writes no line for each request."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  # its name
        pass


class Site:
    """An application with the page beside it, on a real server."""

    def __init__(self, page: WSGIApplication) -> None:
        self._app = DispatcherMiddleware(self._nothing, {"/status": page})
        self._server = make_server("127.0.0.1", 0, self._count, threaded=True, request_handler=Silent)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])
        self.port: int = self._server.port
        self.url = f"http://127.0.0.1:{self.port}/status"
        self.asked: list[str] = []

    def _count(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.asked.append(environ["REQUEST_URI"])
        return self._app(environ, start_response)

    @staticmethod
    def _nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("404 Not Found", [])
        return []

    @contextmanager
    def served(self) -> Generator[Site, None, None]:
        self._thread.start()
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(DEADLINE)
        self._server.server_close()

    def ask(self, method: str, query: str = "", **headers: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, f"/status{query}", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class Load:
    """Threads that hold all that a pool has, and more that wait for it, until they may go."""

    def __init__(self, pool: Pool[Thing], holders: int, waiters: int, others: int = 0) -> None:
        self.pool = pool
        self._go = threading.Event()
        self._callers = [Caller(self._hold, f"holder {number}") for number in range(holders)]
        eventually(lambda: pool.stats()["nusing"] >= holders)
        self._callers += [Caller(self._hold, f"waiter {number}") for number in range(waiters)]
        eventually(lambda: pool.stats()["nwaiting"] == waiters + others)

    def _hold(self) -> None:
        with self.pool.obj():
            self._go.wait(DEADLINE * 3)

    def end(self) -> None:
        self._go.set()
        for caller in self._callers:
            caller.result()


def bad_name(thing: Thing) -> str:
    return f"<script>document.title = 'taken over'</script><img src=//elsewhere.example/{thing.number}>"


@pytest.fixture
def pool(works: Works) -> Generator[Pool[Thing], None, None]:
    with Pool(works.make, 2, name="db", closer=works.close, tracer=bad_name) as pool:
        yield pool


@pytest.fixture
def site(pool: Pool[Thing]) -> Generator[Site, None, None]:
    with Site(status_app(pool)).served() as site:
        yield site


@pytest.fixture
def load(pool: Pool[Thing]) -> Generator[Load, None, None]:
    load = Load(pool, 2, 3)
    yield load
    load.end()


@pytest.fixture
def tab(real_browser: Browser) -> Tab:
    return real_browser.tab()


def figures(tab: Tab) -> list[str]:
    """In use, idle, waiting."""
    return tab.texts(".figures dd")[:3]


def points(tab: Tab, kind: str) -> int:
    """Of how many points a line consists."""
    drawn: str = tab.find(f"document.querySelector('.chart .line.{kind}').getAttribute('d')")
    return drawn.count(",")


def test_a_loaded_pool(tab: Tab, site: Site, load: Load) -> None:
    """The page shows what is so, and a little later what has become of it, by itself and without asking elsewhere."""
    tab.go(site.url)
    assert tab.text("h2") == "db"
    assert figures(tab) == ["2 / 2", "0", "3"]
    owners = sorted(owner.split("'")[1] for owner in tab.texts(".objects td:nth-child(2)"))
    assert owners == ["holder 0", "holder 1"]
    names = tab.texts(".objects td:first-child")
    assert [name[:-2] for name in names] == [bad_name(Thing(0))[:-2]] * 2  # as they are written, and nothing more

    # A sample is taken once a second, and the page renewed every two.
    tab.wait_for("(document.querySelector('.chart .line.waiting').getAttribute('d').match(/,/g) ?? []).length >= 4")
    assert points(tab, "using") == points(tab, "waiting")
    assert tab.texts(".figures dd")[3:5] == ["0", "0"]
    waited = tab.texts(".figures dd")[5:]
    assert all(text.endswith((" s", " ms")) for text in waited), waited
    assert tab.find("document.querySelector('#count-0-d').textContent").startswith(
        "Now 2 objects in use, 0 idle, 0 being created, 0 in upkeep, 3 callers waiting."
    )
    callers = sorted(owner.split("'")[1] for owner in tab.texts(".callers td:first-child"))
    assert callers == ["waiter 0", "waiter 1", "waiter 2"]

    load.end()
    tab.wait_for("document.querySelector('.figures dd').innerText === '0 / 2'")
    assert figures(tab) == ["0 / 2", "2", "0"]
    # One of them may have come back when all waiters had been served by the other.
    assert all(text.startswith("idle, last thread '") for text in tab.texts(".objects td:nth-child(2)"))

    assert tab.find("document.title") == "Pools"
    assert tab.complaints == []
    assert tab.requests[0] == site.url
    assert set(tab.requests[1:]) == {f"{site.url}?format=fragment"}
    assert set(site.asked) == {"/status", "/status?format=fragment"}


def test_the_same_for_programs(site: Site, load: Load) -> None:
    """On a real server: the data, and what is refused."""
    status, text = site.ask("GET", "?format=json")
    [shown] = cast(StatusData, json.loads(text))["pools"]
    assert (status, shown["in_use"], shown["idle"], shown["waiting"]) == (200, 2, 0, 3)
    assert site.ask("HEAD") == (200, b"")
    assert site.ask("POST")[0] == 405
    assert site.ask("GET", **{"X-Forwarded-For": "127.0.0.1"})[0] == 403
    assert site.ask("GET", Host="evil.example")[0] == 403


def test_without_scripts(tab: Tab, site: Site, load: Load) -> None:
    """The same page, drawn as well, which the browser loads again now and then."""
    tab.without_scripts()
    tab.go(site.url)
    # Each time in one question: at any moment it may be loaded again.
    now = "Array.from(document.querySelectorAll('.figures dd, .objects tbody tr'), (each) => each.innerText).join('; ')"
    assert re.fullmatch(r"2 / 2; 0; 3(; [^;]+){2}(; .*'holder \d'.*){2}", tab.find(now)), tab.find(now)
    assert tab.find("document.querySelector('#pause').checkVisibility()") is False  # there is a link instead
    assert tab.find("document.querySelector('header a').innerText") == "Pause"
    assert tab.find("document.querySelector('details').open")  # nothing would open it again
    load.end()
    tab.wait_for(f"{now}.startsWith('0 / 2; 2; 0;') && document.querySelector('.line.using[d^=M]') !== null")
    assert tab.complaints == []
    assert set(site.asked) == {"/status"}


def test_paused_without_scripts(tab: Tab, site: Site, pool: Pool[Thing]) -> None:
    tab.without_scripts()
    tab.go(f"{site.url}?refresh=0")
    assert tab.find("document.querySelector('header a').innerText") == "Go on"
    assert tab.find("document.querySelector('meta[http-equiv]')") is None


@pytest.mark.parametrize("width", [1100, PHONE])
def test_a_queue_moves_nothing(tab: Tab, site: Site, pool: Pool[Thing], width: int) -> None:
    """Whether nobody, a few or many wait, all else stays where it is; and a reader stays where he has scrolled to."""
    place = "Array.from(document.querySelectorAll('h2, h3:not(details *), .objects th, summary'), top)"
    places = f"{{const top = (each) => Math.round(each.getBoundingClientRect().top + scrollY); {place}}}"
    tab.look_like(width=width, height=740)
    load = Load(pool, 2, 0)
    tab.go(site.url)
    assert tab.text(".longest") == "Nobody waits."
    nobody = tab.find(places)
    queues = [Load(pool, 0, 1)]
    tab.wait_for("document.querySelectorAll('.callers tbody tr').length === 1")
    assert tab.find(places) == nobody
    queues.append(Load(pool, 0, 12, 1))
    tab.wait_for("document.querySelectorAll('.callers tbody tr').length === 10")
    assert tab.find(places) == nobody
    assert tab.find("document.querySelector('.longest').scrollHeight > document.querySelector('.longest').clientHeight")
    tab.find("document.querySelector('.longest').focus(), document.querySelector('.longest').scrollTo(0, 40)")
    tab.find("document.querySelector('.longest').dataset.old = '1'")
    tab.wait_for("!('old' in document.querySelector('.longest').dataset)")
    assert tab.find("document.querySelector('.longest').scrollTop") == 40
    assert tab.find("document.activeElement.id") == "queue-0"
    for each in (load, *queues):
        each.end()
    tab.wait_for("document.querySelector('.longest').innerText === 'Nobody waits.'")
    assert tab.find(places) == nobody
    assert tab.complaints == []


def test_in_use_for_too_long(tab: Tab, works: Works) -> None:
    """What is past its limit has a mark and a colour of its own, and says why in words; what is not has neither."""
    with (
        Pool(works.make, 2, 2, max_using_delay=0.05, tracer=lambda thing: f"backend {thing.number}") as pool,
        Site(status_app(pool)).served() as site,
        pool.obj(),
    ):
        tab.look_like(width=PHONE, height=740)
        tab.go(site.url)
        tab.wait_for("document.querySelector('.objects tbody tr').className === 'late'")
        late, free = tab.texts(".objects tbody tr")
        assert "longer than 50 ms" in late
        assert "longer" not in free
        look = (
            "Array.from(document.querySelectorAll('.objects tbody tr td:nth-child({})'), (e) => getComputedStyle(e).{})"
        )
        bad, soft = tab.find(look.format(3, "color"))
        assert bad != soft
        mark, none = tab.find(look.format(1, "boxShadow"))
        assert (bad in mark, none) == (True, "none")
        assert tab.find(BROKEN_WORDS) == []
        assert tab.find("document.documentElement.scrollWidth") == PHONE


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(tab: Tab, site: Site, load: Load, dark: bool) -> None:
    """Nothing sticks out, all text can be read, and the colours are those that the reader prefers."""
    tab.look_like(width=PHONE, height=740, dark=dark)
    tab.go(site.url)
    assert tab.find("document.documentElement.scrollWidth") == PHONE
    too_wide = "Array.from(document.querySelectorAll('main *'), (each) => each.getBoundingClientRect().right)"
    assert max(tab.find(too_wide)) <= PHONE
    sizes = "Array.from(document.querySelectorAll('h2, p, dt, dd, th, td, li, .chart span'), size)"
    assert min(tab.find(f"{{const size = (each) => parseFloat(getComputedStyle(each).fontSize); {sizes}}}")) >= 13
    back = tab.find("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    text = tab.find("getComputedStyle(document.body).color.match(/\\d+/g).map(Number)")
    assert (max(back) < 64 and min(text) > 192) if dark else (min(back) > 192 and max(text) < 64)
    assert figures(tab) == ["2 / 2", "0", "3"]


@pytest.fixture
def crowd(works: Works) -> Generator[Site, None, None]:
    """A page of many pools."""
    with ExitStack() as stack:
        pools = [stack.enter_context(Pool(works.make, 8, name=f"database-{number}")) for number in range(24)]
        yield stack.enter_context(Site(status_app(*pools)).served())


HEIGHT = "document.querySelector('nav').getBoundingClientRect().height"
IN_VIEW = """(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(
  document.querySelector('#pool-20').getBoundingClientRect())"""


def test_many_pools_on_a_phone(tab: Tab, crowd: Site) -> None:
    """Their links stand side by side, leave room for a pool, and can be met with a finger (WCAG 2.2, 2.5.8)."""
    tab.look_like(width=PHONE, height=740)
    tab.go(crowd.url)
    assert len(tab.texts("nav a")) == 24
    assert tab.texts("nav a")[20].split() == ["database-20", "0", "/", "8"]
    assert tab.find("document.documentElement.scrollWidth") == PHONE
    assert tab.find(HEIGHT) < 740 / 2
    heights = "Array.from(document.querySelectorAll('nav a'), (each) => each.getBoundingClientRect().height)"
    assert min(tab.find(heights)) >= 24


def test_links_live_on(tab: Tab, crowd: Site) -> None:
    """While the page is renewed the keyboard stays where it is, and what is being pressed is not taken away."""
    tab.look_like(width=1000)
    tab.go(crowd.url)
    mark, marked = "document.querySelector('nav').dataset.old = 1", "document.querySelector('nav').dataset.old"
    tab.find(f"document.querySelector('#to-20').focus(); {mark}")
    tab.wait_for(f"{marked} === undefined")
    assert tab.find("document.activeElement.id") == "to-20"

    tab.find(mark)
    x, y = tab.find("(({ x, y }) => [x + 9, y + 9])(document.querySelector('#to-20').getBoundingClientRect())")
    for event in ("mousePressed", "mouseReleased"):
        tab.call("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", clickCount=1)
        if event == "mousePressed":
            asked = len(crowd.asked)
            tab.wait_for("new Promise((resolve) => setTimeout(() => resolve(true), 5000))")
            assert len(crowd.asked) > asked
            assert tab.find(marked) == "1"
    tab.wait_for(f"location.hash === '#pool-20' && {IN_VIEW}")
    tab.wait_for(f"{marked} === undefined")
    assert tab.find(IN_VIEW)
    assert tab.complaints == []


def test_links_without_scripts(tab: Tab, crowd: Site) -> None:
    """They lead to the pool, and leave it in view when the page is loaded again."""
    tab.without_scripts()
    tab.look_like(width=1000)
    tab.go(crowd.url)
    tab.find("document.querySelector('#to-20').click()")
    tab.wait_for(f"location.hash === '#pool-20' && {IN_VIEW}")
    asked = len(crowd.asked)
    eventually(lambda: len(crowd.asked) > asked)
    tab.wait_for(f"document.readyState === 'complete' && {IN_VIEW}")


BROKEN_WORDS = """((text) => Array.from(text.data.matchAll(/\\w+/g)).filter((word) => {
  const range = document.createRange();
  range.setStart(text, word.index);
  range.setEnd(text, word.index + word[0].length);
  return range.getClientRects().length > 1;
}).map(String))(document.querySelector('.objects td').firstChild)"""
CLIPPED = """Array.from(document.querySelectorAll('.figures div, .about'))
  .filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.innerText)"""


def test_names_on_a_phone(tab: Tab, works: Works) -> None:
    """Words are broken only if they are longer than their column; long numbers find room."""
    pool = Pool(
        works.make,
        1_000_000,
        name="a" * 200,
        tracer=lambda _: "backend 4711 is idle",
        timeout=1e300,
        max_waiting=1_000_000,
    )
    with pool, pool.obj(), Site(status_app(pool)).served() as site:
        for width in (1100, 1000, 700, 390, 320):
            tab.look_like(width=width, height=740)
            tab.go(site.url)
            assert tab.find("document.documentElement.scrollWidth") == width
            assert tab.find(BROKEN_WORDS) == []
            assert tab.find(CLIPPED) == []


def test_what_is_read_aloud(tab: Tab, site: Site, load: Load) -> None:
    """Charts have a short name and a description, tables their title as a name, and so has what can be scrolled."""
    tab.go(site.url)
    seen: dict[str, list[tuple[str, str]]] = {}
    for node in tab.call("Accessibility.getFullAXTree")["nodes"]:
        role, name, description = (node.get(key, {}).get("value", "") for key in ("role", "name", "description"))
        seen.setdefault(role, []).append((name, description))
    charts = dict(seen.get("image", []) + seen.get("img", []))
    assert list(charts) == ["Objects and callers", "Time in the queue"]
    assert charts["Objects and callers"].startswith("Now 2 objects in use")
    assert sorted(name for name, _ in seen["table"]) == ["Longest in the queue", "Objects"]
    assert ("Longest in the queue", "") not in seen.get("group", [])
    more = Load(load.pool, 0, 4, 3)
    tab.wait_for("document.querySelectorAll('.callers tbody tr').length === 7")
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    named = [node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == "group" and "name" in node]
    assert "Longest in the queue" in named
    load.end()
    more.end()


COLOURS = ("--text", "--soft", "--using", "--idle", "--waiting", "--transit", "--p50", "--p99", "--bad")


@pytest.mark.parametrize("dark", [False, True])
def test_colours_are_seen(tab: Tab, site: Site, dark: bool) -> None:
    """Each stands out from the cards by 4.5 to 1, as WCAG 2.2 asks of text (1.4.3); lines need 3 to 1 (1.4.11)."""
    tab.look_like(width=1000, dark=dark)
    tab.go(site.url)

    def luminance(name: str) -> float:
        value = str(tab.find(f"getComputedStyle(document.documentElement).getPropertyValue('{name}')")).strip("# ")
        value = value if len(value) == 6 else "".join(2 * digit for digit in value)
        parts = [int(value[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    card = luminance("--card")
    for name in COLOURS:
        brighter, darker = sorted([card, luminance(name)], reverse=True)
        assert (brighter + 0.05) / (darker + 0.05) >= 4.5, name


def test_a_reader_is_not_disturbed(tab: Tab, site: Site, pool: Pool[Thing]) -> None:
    """What was opened stays open, and the keyboard stays where it is; a pause is a pause."""
    tab.go(site.url)
    tab.find("document.querySelector('summary').focus(); document.querySelector('details').open = true")
    held = pool.get()
    tab.wait_for("document.querySelector('.figures dd').innerText === '1 / 2'")
    assert tab.find("document.querySelector('details').open && document.activeElement.tagName === 'SUMMARY'")

    tab.find("document.querySelector('#pause').click()")
    assert tab.text("#pause") == "Go on"
    pool.ret(held)
    asked = len(site.asked)
    tab.wait_for("new Promise((resolve) => setTimeout(() => resolve(true), 3000))")
    # One may have been on its way.
    assert len(site.asked) <= asked + 1
    assert figures(tab)[0] == "1 / 2"
    tab.find("document.querySelector('#pause').click()")
    tab.wait_for("document.querySelector('.figures dd').innerText === '0 / 2'")
    assert tab.text("#pause") == "Pause"


def test_what_is_selected_stays(tab: Tab, site: Site, pool: Pool[Thing]) -> None:
    """So that it can be copied."""
    tab.go(site.url)
    assert not tab.find("document.querySelector('details').open")
    tab.find("getSelection().selectAllChildren(document.querySelector('.objects td'))")
    selected = tab.find("getSelection().toString()")
    with pool.obj():
        tab.wait_for("document.querySelector('#note').innerText === 'Not renewed while text is selected'")
        assert (tab.find("getSelection().toString()"), figures(tab)[0]) == (selected, "0 / 2")
        tab.find("getSelection().removeAllRanges()")
        tab.wait_for("document.querySelector('.figures dd').innerText === '1 / 2'")
        assert tab.text("#note") == ""


@pytest.fixture
def two_processes(pool: Pool[Thing], directory: Path) -> Generator[tuple[Site, object], None, None]:
    """A page, and that of another process, which is one of this process."""
    with Pool(Thing, 3, 2, name="<b>other</b>") as other_pool, other_pool.obj():
        other = status_app(other_pool, directory=directory)
        with Site(status_app(pool, directory=directory)).served() as site:
            eventually(lambda: len(json.loads(site.ask("GET", "?format=json")[1])["processes"]) == 2)
            yield site, other


@pytest.mark.parametrize("width", [1100, PHONE])
def test_another_process(tab: Tab, two_processes: tuple[Site, object], width: int) -> None:
    """A link leads to it, and the page stays with it; nothing sticks out, and all text can be read."""
    site, _ = two_processes
    tab.look_like(width=width, height=740)
    tab.go(site.url)
    assert tab.texts(".processes tbody th")[0] == "all 2"
    assert tab.text(".processes tbody td") in ("db\n0 / 2\n<b>other</b>\n1 / 3", "<b>other</b>\n1 / 3\ndb\n0 / 2")
    assert tab.find("document.documentElement.scrollWidth") == width
    sizes = (
        "Array.from(document.querySelectorAll('.processes *'), (each) => parseFloat(getComputedStyle(each).fontSize))"
    )
    assert min(tab.find(sizes)) >= 13
    heights = "Array.from(document.querySelectorAll('.processes a'), (each) => each.getBoundingClientRect().height)"
    assert min(tab.find(heights)) >= 24
    tab.find("document.querySelector('.processes a:not([aria-current])').click()")
    tab.wait_for("document.querySelector('h2')?.innerText === '<b>other</b>'")
    before = len(site.asked)
    tab.wait_for("document.querySelector('main').dataset.process !== undefined")
    eventually(lambda: any("format=fragment" in each for each in site.asked[before:]))
    [query] = {each for each in site.asked[before:] if "format=fragment" in each}
    assert query.endswith(tab.find("location.search").removeprefix("?"))
    assert tab.text("h2") == "<b>other</b>"
    assert tab.complaints == []


def test_a_server_that_is_gone(tab: Tab, pool: Pool[Thing]) -> None:
    """The page says that it is not up to date, and goes on trying."""
    forbidden = threading.Event()
    page = status_app(pool, allow=lambda environ: not forbidden.is_set())
    with Site(page).served() as site:
        tab.go(site.url)
        forbidden.set()
        tab.wait_for("document.querySelector('#note').innerText === 'Not up to date: status 403'")
        assert tab.find("document.querySelector('main').classList.contains('stale')")
        assert figures(tab) == ["0 / 2", "1", "0"]
        forbidden.clear()
        tab.wait_for("document.querySelector('#note').innerText === ''")
        assert not tab.find("document.querySelector('main').classList.contains('stale')")
    tab.wait_for("document.querySelector('#note').innerText.startsWith('Not up to date')")
