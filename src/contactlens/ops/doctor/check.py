"""One row of the diagnosis, free of passwords."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import unquote

State = Literal["ok", "warning", "problem"]
SECRETS = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "RAY_AUTH_TOKEN",
)
HIDDEN = "***"
# Greedy up to the last @, so that a password with an @, / or : of its own stays whole.
CREDENTIALS = re.compile(r"(?P<user>\b[\w+.-]+://[^\s:/@]*):(?P<password>\S*)@")
IN_QUERY = re.compile(r"(?i)(?P<key>[?&](?:password|passwd|pwd|token|secret)=)[^&\s]+")


@dataclass(frozen=True)
class Check:
    """remedy: what to do about a warning or a problem"""

    name: str
    state: State
    found: str
    remedy: str = ""

    def without_secrets(self, environment: Mapping[str, str] = os.environ) -> "Check":
        """The same row with every password that the environment holds, or an address in it shows, hidden."""
        hidden = [environment[name] for name in SECRETS if environment.get(name)]
        for address in environment.values():
            hidden += [word for one in CREDENTIALS.finditer(address) for word in (one["password"],)]
        hidden += [unquote(word) for word in hidden]
        return replace(self, found=_hide(self.found, hidden), remedy=_hide(self.remedy, hidden))


def _hide(text: str, secrets: list[str]) -> str:
    text = CREDENTIALS.sub(rf"\g<user>:{HIDDEN}@", text)
    text = IN_QUERY.sub(rf"\g<key>{HIDDEN}", text)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
