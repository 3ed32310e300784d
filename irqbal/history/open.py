"""Opens the history that a URL names: a file (by default this host's own), or a fleet's MongoDB."""

from __future__ import annotations

from pathlib import Path

from irqbal.config.mongodb_options import is_mongodb_url
from irqbal.errors import HistoryError
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory
from irqbal.history.store import HistoryStore


def open_store(url: str, state: Path, option: str = "--store", host: str = "") -> HistoryStore:
    """Open a history for reading; an empty URL means the file in the `state` folder. `option` is
    the command-line option that holds the URL; `host` is whose history a MongoDB is asked for.
    Raises HistoryError with a sentence.
    """
    if is_mongodb_url(url):
        try:
            from irqbal.history.mongodb.store import MongodbHistory
        except ImportError as error:
            raise HistoryError(
                f"MongoDB needs pymongo ({error}): pip install 'irqbal[mongodb]'"
            ) from error
        return MongodbHistory(url, host)
    if "://" in url and not url.startswith("sqlite://"):
        raise HistoryError(
            f"{url} is not the URL of a history: {option} takes mongodb://…, sqlite:///PATH or a "
            "file"
        )
    path = Path(url.removeprefix("sqlite://")) if url else state / FILE
    if not path.exists():
        raise HistoryError(
            f"there is no history at {url or path}: the daemon writes it; "
            f"name another with {option}"
        )
    if not path.is_file():
        raise HistoryError(
            f"{path} is not a file: name the history file ({FILE} in the daemon's state folder), "
            "or mongodb://…"
        )
    return SqliteHistory(path)
