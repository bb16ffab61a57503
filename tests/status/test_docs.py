"""What docs/status.md says is true."""

import asyncio
import re
import zlib
from pathlib import Path

from ProxyPatternPool import control

from ..servers.support import ask_asgi
from ..unit.clock import FakeScheduler

ROOT = Path(__file__).parents[2]


def test_its_python_runs(directory: Path, scheduler: FakeScheduler) -> None:
    """Every block, in order."""
    text = (ROOT / "docs" / "status.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 6
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks:
        block = block.replace('"/run/orders/status"', repr(str(directory)))
        exec(compile(block, "docs/status.md", "exec"), namespace)
    status, page = asyncio.run(ask_asgi(namespace["tasks_app"], "/status/"))
    assert status == 200
    assert "<title>" in page
    pool = control(namespace["db"]).pool
    assert pool is not None
    pool.shutdown()
    scheduler.asides.clear()  # the thread that answers other processes, which would wait for one


def test_how_long_a_path_may_be() -> None:
    """As the page says, on Linux."""
    longest = 107 - len("/4194304-0123456789ab.sock.new")
    assert f"its path is bounded, to {longest} bytes on Linux" in (ROOT / "docs" / "status.md").read_text(
        encoding="utf-8"
    )


PICTURE = ROOT / "docs" / "status.png"


def colours(picture: bytes) -> set[str]:
    """All colours of a PNG of 8 bits a channel, or with a palette, without transparency: ``{"#ffffff", …}``."""
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(picture):
        size, kind = int.from_bytes(picture[at : at + 4], "big"), picture[at + 4 : at + 8]
        chunks[kind] = chunks.get(kind, b"") + picture[at + 8 : at + 8 + size]
        at += size + 12
    width, kind_of_pixels = int.from_bytes(chunks[b"IHDR"][:4], "big"), chunks[b"IHDR"][8:]
    assert kind_of_pixels in (b"\x08\x02\0\0\0", b"\x08\x03\0\0\0")
    wide = 1 if b"PLTE" in chunks else 3
    pixels = _unfiltered(zlib.decompress(chunks[b"IDAT"]), width * wide, wide)
    if wide == 3:
        return {f"#{pixels[at : at + 3].hex()}" for at in range(0, len(pixels), 3)}
    return {f"#{chunks[b'PLTE'][3 * each : 3 * each + 3].hex()}" for each in set(pixels)}


def _unfiltered(data: bytes, width: int, wide: int) -> bytes:
    """Undo what PNG does to each line to have it packed better."""
    lines = bytearray()
    above = bytes(width)
    for start in range(0, len(data), width + 1):
        how, line = data[start], bytearray(data[start + 1 : start + 1 + width])
        for at in range(width) if how else ():
            left, corner = (line[at - wide], above[at - wide]) if at >= wide else (0, 0)
            guesses = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))
            line[at] = (line[at] + guesses[how]) & 255
        lines += line
        above = bytes(line)
    return bytes(lines)


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda each: abs(guess - each))


def test_its_picture_is_there() -> None:
    """Small enough for those who only read the page."""
    assert PICTURE.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert PICTURE.stat().st_size < 150_000


def test_its_picture_has_the_colours_of_the_page() -> None:
    """Of each line and area: that is what they are told apart by."""
    style = (ROOT / "src" / "ProxyPatternPool" / "_status" / "page.css").read_text(encoding="utf-8")
    tokens: dict[str, str] = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", style.split("}")[0]))
    shown = colours(PICTURE.read_bytes())
    for name in ("using", "idle", "waiting", "transit", "p99"):
        assert tokens[name] in shown, name
