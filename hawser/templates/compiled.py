"""The code of compiled templates: compiling takes longer than all that a command renders with it."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from types import CodeType

import jinja2

from .. import cache


class Compiled(jinja2.BytecodeCache):
    """The code of each template text, kept for this command and, in the user's cache folder, for the next ones.

    The texts of today and of the releases are mostly the same. What cannot be kept on disk is compiled each time.
    """

    def __init__(self) -> None:
        self._code: dict[str, CodeType] = {}

    @functools.cached_property
    def folder(self) -> Path | None:
        """Where code is kept on disk; None without a folder that is the user's alone: who writes there, runs code."""
        return cache.own_folder(f"templates-{translator()}")

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Return the key of a template: the same text is the same code, in whichever folder."""
        return hashlib.sha256(name.encode()).hexdigest()

    def get_source_checksum(self, source: str) -> str:
        """Return the checksum of a text, of which hosts may have told us."""
        return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        key = entry(bucket)
        if key not in self._code:
            bucket.bytecode_from_string(self.on_disk(key))
            if bucket.code is not None:
                self._code[key] = bucket.code
        bucket.code = self._code.get(key)

    def on_disk(self, key: str) -> bytes:
        """Return what is kept on disk; nothing where it is torn, or where others could have written it."""
        found = cache.kept(self.folder / key) if self.folder is not None else b""
        digest, data = found[:32], found[32:]
        return data if hashlib.sha256(data).digest() == digest else b""

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        assert bucket.code is not None
        key = entry(bucket)
        self._code[key] = bucket.code
        if self.folder is None:
            return
        data = bucket.bytecode_to_string()
        try:
            cache.keep(self.folder / key, hashlib.sha256(data).digest() + data)
            # Also what other versions have kept.
            cache.forget_old(self.folder.parent, "templates-*/*")
        except OSError:
            # Whatever the disk lacks, this command has its code.
            return


def entry(bucket: jinja2.bccache.Bucket) -> str:
    """Return the name under which the code of a text is kept."""
    return f"{bucket.key[:32]}-{bucket.checksum}"


@functools.cache
def translator() -> str:
    """Return what code depends on beside its text and Python: the sources of this package, and Jinja2's version."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"\0".join([jinja2.__version__.encode(), *sources])).hexdigest()[:16]


COMPILED = Compiled()
