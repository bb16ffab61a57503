"""A real browser without a window, spoken to in the DevTools protocol over two pipes."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

SECONDS = 30.0
"""Within which a browser answers."""
ROOT = Path(__file__).parents[2]

# The browser reads commands from file 3 and writes to file 4.
_START = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

_OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
    "--force-color-profile=srgb",
)


def executable() -> str:
    """Find the browser, by the same means as `make` does; without one the tests fail, and say what to install."""
    found = subprocess.run([ROOT / "tools" / "browser"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


class Tab:
    """An empty tab, and what happened in it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.requests: list[str] = []
        """The addresses that the page asked for, in order."""
        self.complaints: list[str] = []
        """What the console said."""
        browser.listeners[session] = self._hear
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have the browser do something in this tab."""
        return self._browser.call(method, self._session, **parameters)

    def _hear(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(parameters["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])

    def look_like(self, *, width: int, height: int = 900, dark: bool = False, scale: float = 1) -> None:
        """Be a screen of that size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def without_scripts(self) -> None:
        """Be a browser in which scripts are switched off."""
        self.call("Emulation.setScriptExecutionDisabled", value=True)

    def go(self, url: str) -> None:
        """Load a page."""
        gone = self.call("Page.navigate", url=url)
        assert "errorText" not in gone, gone
        # Asked from outside, since a page without scripts can still be looked at.
        self.wait_for("document.readyState === 'complete' && document.URL !== 'about:blank'")

    def find(self, expression: str) -> Any:
        """What a JavaScript expression gives, as JSON."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise Refused(found["exceptionDetails"])
        return found["result"].get("value")

    def text(self, selector: str) -> str:
        """The text of the first element that a CSS selector finds, as it is shown."""
        text: str = self.find(f"document.querySelector({json.dumps(selector)}).innerText")
        return text

    def texts(self, selector: str) -> list[str]:
        """Likewise of all that it finds."""
        texts: list[str] = self.find(
            f"Array.from(document.querySelectorAll({json.dumps(selector)}), (each) => each.innerText.trim())"
        )
        return texts

    def wait_for(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = monotonic() + SECONDS
        while not self._true(expression):
            assert monotonic() < deadline, f"never true: {expression}\n{self.find('document.body.innerText')}"
            self._browser.listen(0.05)

    def _true(self, expression: str) -> bool:
        # Between two pages there is nothing to ask, nor anything to find in half of one.
        with suppress(Refused):
            return bool(self.find(expression))
        return False

    def picture(self, path: Path, height: int | None = None) -> None:
        """Save a picture of the whole page, or of the top of it."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(taken["data"]))


class Refused(Exception):
    """The browser does not do that, or the page does not."""


class Browser:
    """A browser that runs."""

    def __init__(self, process: subprocess.Popen[bytes], commands: int, answers: int) -> None:
        self._process = process
        self._commands = commands
        self._answers = answers
        self._number = 0
        self._heard = b""
        self._replies: dict[int, dict[str, Any]] = {}
        self.listeners: dict[str, Callable[[str, dict[str, Any]], None]] = {}

    def tab(self) -> Tab:
        """Open an empty tab, which shares nothing with others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        return Tab(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])

    def call(self, method: str, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """Have the browser do something, and wait for what comes of it."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        deadline = monotonic() + SECONDS
        while self._number not in self._replies:
            assert self.listen(deadline - monotonic()), f"no answer to {method}"
        reply = self._replies.pop(self._number)
        if "error" in reply:
            raise Refused(f"{method}: {reply['error']}")
        result: dict[str, Any] = reply["result"]
        return result

    def listen(self, seconds: float) -> bool:
        """Hear what the browser says within some seconds; say whether it said anything."""
        if not select.select([self._answers], [], [], max(0.0, seconds))[0]:
            return False
        part = os.read(self._answers, 1 << 20)
        assert part, f"the browser has ended: {self._process.wait(SECONDS)}"
        *messages, self._heard = (self._heard + part).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._replies[message["id"]] = message
            elif message.get("sessionId") in self.listeners:
                self.listeners[message["sessionId"]](message["method"], message["params"])
        return True


@contextmanager
def browser() -> Generator[Browser, None, None]:
    """Run a browser that has never been used before."""
    program = executable()
    options = [*_OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]  # which root cannot have
    commands, to_browser = os.pipe()
    from_browser, answers = os.pipe()
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            # Not followed by coverage: it becomes another program.
            [sys.executable, "-I", "-S", "-c", _START, str(commands), str(answers), program, *options,
             f"--user-data-dir={profile}", "about:blank"],
            pass_fds=[commands, answers],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
        )  # fmt: skip
        os.close(commands)
        os.close(answers)
        try:
            running = Browser(process, to_browser, from_browser)
            yield running
            running.call("Browser.close")
            process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
            os.close(to_browser)
            os.close(from_browser)
