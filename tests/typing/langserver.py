"""A client for pyright's language server: an editor without a screen."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import Any

from typing_extensions import Self

DEADLINE = 60.0
"""Seconds after which an answer that did not come counts as never coming."""


class LanguageServer:
    """A running server, and the conversation with it.

    Args:
        command: How to start it.
        root: The folder of the user's project.
        python: The interpreter that the user has chosen for it.
    """

    def __init__(self, command: list[str], root: Path, python: Path) -> None:
        self._root = root
        self._settings: dict[str, Any] = {
            "python": {"pythonPath": str(python)},
            "python.analysis": {"typeCheckingMode": "strict", "diagnosticMode": "openFilesOnly"},
        }
        self._numbers = itertools.count(1)
        self._answers: Queue[dict[str, Any] | None] = Queue()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        capabilities = {
            "workspace": {"configuration": True, "workspaceFolders": True},
            "textDocument": {
                "completion": {"completionItem": {"documentationFormat": ["plaintext"]}},
                "hover": {"contentFormat": ["plaintext"]},
                "signatureHelp": {"signatureInformation": {"documentationFormat": ["plaintext"]}},
            },
        }
        folder = {"uri": self._root.as_uri(), "name": "downstream"}
        self.request(
            "initialize",
            {"processId": None, "rootUri": folder["uri"], "capabilities": capabilities, "workspaceFolders": [folder]},
        )
        self._send({"method": "initialized", "params": {}})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def open(self, text: str) -> str:
        """Open a file that was not saved yet; give its address."""
        uri = (self._root / f"unsaved_{next(self._numbers)}.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def ask(self, about: str, text: str, line: int, column: int) -> Any:
        """Ask about a place in a text: ``completion``, ``hover`` or ``signatureHelp``."""
        uri = self.open(text)
        answer = self.request(
            f"textDocument/{about}",
            {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}},
        )
        self._send({"method": "textDocument/didClose", "params": {"textDocument": {"uri": uri}}})
        return answer

    def request(self, method: str, params: Mapping[str, object]) -> Any:
        """Ask for something, and wait for the answer to it."""
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._answers.get(timeout=DEADLINE)
            assert message is not None, "the language server has ended"
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def _send(self, message: dict[str, object]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self._process.stdin
        assert stream is not None
        stream.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        stream.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while True:
            length = 0
            while (line := stream.readline().strip()) != b"":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if length == 0:  # it has ended
                self._answers.put(None)
                return
            message: dict[str, Any] = json.loads(stream.read(length))
            if "method" not in message:
                self._answers.put(message)
            elif "id" in message:
                self._send({"id": message["id"], "result": self._tell(message)})

    def _tell(self, message: dict[str, Any]) -> object:
        """Answer what the server asks: for settings, or to be allowed something."""
        if message["method"] == "workspace/configuration":
            return [self._settings.get(item.get("section", ""), {}) for item in message["params"]["items"]]
        return None
