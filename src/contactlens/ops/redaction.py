"""Keeps secrets out of what is printed or logged: passwords in URIs, and the values of secret environment variables."""

import os
import re

HIDDEN = "***"
MIN_LENGTH = 6  # a shorter value would blot out ordinary words
_URI_PASSWORD = re.compile(r"(?P<user>[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE)
_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN$|ACCESS_KEY|API_KEY", re.IGNORECASE)


def redacted(text: str) -> str:
    """`text` with every secret replaced by `***`: `http://user:***@host`."""
    text = _URI_PASSWORD.sub(rf"\g<user>{HIDDEN}", text)
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= MIN_LENGTH and not value.startswith("/"):
            text = text.replace(value, HIDDEN)
    return text
