"""Headless Chromium, driven over a pipe by its own protocol: no driver, no port.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
PACKAGE = "chromium-headless-shell"
# Seconds that one answer may take.
PATIENCE = 60
KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "/": 191}


def program() -> str:
    """Return the browser of this machine, which is installed if need be: as root, on Debian.

    :raises AssertionError: there is none, and it cannot be installed.
    """
    named = os.environ.get("HAWSER_BROWSER", "")
    found = named or next(filter(None, map(shutil.which, PROGRAMS)), "")
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", PACKAGE]
        if subprocess.run(install, env=environ, capture_output=True, check=False).returncode:
            subprocess.run(["apt-get", "update", "-q"], env=environ, capture_output=True, check=True)
            subprocess.run(install, env=environ, capture_output=True, check=True)
        found = shutil.which(PACKAGE) or ""
    assert found, f"no browser is here; next: apt-get install {PACKAGE}, or HAWSER_BROWSER=PATH"
    return found


class Chromium:
    """One browser with one page.

    :param folder: what it writes for itself.
    """

    def __init__(self, folder: Path) -> None:
        read_by_it, self._towards = os.pipe()
        self._back, written_by_it = os.pipe()
        options = [
            "--headless",
            "--remote-debugging-pipe",
            "--no-first-run",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
        ]
        script = f'exec "$@" 3<&{read_by_it} 4>&{written_by_it}'
        self._log = (folder / "stderr").open("wb")
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", program(), *options, "about:blank"],
            pass_fds=(read_by_it, written_by_it),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )
        os.close(read_by_it)
        os.close(written_by_it)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        self._session = ""
        targets = self("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: Any) -> Any:
        """Send a command, and return its answer."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._towards, data) :]
        end = time.monotonic() + PATIENCE
        while True:
            answer = self._message(end)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _message(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready = select.select([self._back], [], [], max(0, end - time.monotonic()))[0]
            assert ready, "the browser does not answer"
            data = os.read(self._back, 1 << 20)
            assert data, "the browser has ended"
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        found: dict[str, Any] = json.loads(line)
        return found

    def open(self, path: Path, width: int = 1200, height: int = 900) -> float:
        """Open a file, and return the seconds until it is drawn."""
        self.events.clear()
        self.size(width, height)
        self("Page.navigate", url=path.as_uri())
        self.until("document.readyState === 'complete'")
        # The next frame has drawn what the script has made.
        self.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))")
        return float(self.run("performance.now()")) / 1000

    def size(self, width: int, height: int = 900) -> None:
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def media(self, scheme: str = "light", kind: str = "screen") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self("Emulation.setEmulatedMedia", media=kind, features=features)

    def run(self, expression: str) -> Any:
        """Evaluate an expression in the page, also a promise, and return its value."""
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(expression):
            assert time.monotonic() < end, f"never: {expression}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        text: Mapping[str, str] = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        common = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        self("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, words: str) -> None:
        self("Input.insertText", text=words)

    @property
    def complaints(self) -> list[str]:
        """What the console has been told of the page that is open: errors, and what its policy has refused."""
        self.run("0")
        found = [each["params"]["entry"]["text"] for each in self.events if each.get("method") == "Log.entryAdded"]
        thrown = [each["params"] for each in self.events if each.get("method") == "Runtime.exceptionThrown"]
        written = [each["params"] for each in self.events if each.get("method") == "Runtime.consoleAPICalled"]
        return [*found, *map(str, thrown), *map(str, written)]

    @property
    def requests(self) -> list[str]:
        """The addresses that were asked since the page was opened."""
        self.run("0")
        sent = [each["params"] for each in self.events if each.get("method") == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent]

    def close(self) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self._session = ""
            self("Browser.close")
        os.close(self._towards)
        os.close(self._back)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
