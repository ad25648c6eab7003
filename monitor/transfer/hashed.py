"""A file that is written once from front to back, with the SHA-256 of what went through."""

import hashlib
from typing import Any, BinaryIO


class Hashed:
    """Stands between a writer (pyarrow's too) and its file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._sum, self._at = file, hashlib.sha256(), 0
        self.closed = False

    def write(self, data: Any) -> int:
        self._sum.update(data)
        self._file.write(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        self._file.flush()

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """The file itself is closed by who opened it."""
        self.closed = True

    @property
    def sha256(self) -> str:
        return self._sum.hexdigest()
