"""Every form in which a secret could show up in output."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

# Characters of a line of a longer secret that is hidden by itself.
_SHORTEST_LINE = 8


def forms(value: str) -> Iterator[str]:
    """Yield a value as it is and as the formats of this world write it."""
    data = value.encode()
    plain = [value, *(line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE)]
    encoded = [
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        *(code(data).decode().rstrip("=") for code in (base64.b64encode, base64.urlsafe_b64encode)),
    ]
    escaped = [
        shlex.quote(value)[1:-1] if shlex.quote(value) != value else value,
        re.sub(r'([\\"$`])', r"\\\1", value),  # between double quotes: shell, dotenv, systemd
        re.sub(r"([\\'])", r"\\\1", value),  # between single quotes: dotenv, Python
        repr(value)[1:-1],
        value.replace("%", "%%"),  # supervisor, systemd
        value.replace("%", r"\%"),  # crontab
        value.replace("'", "''"),  # SQL, YAML
    ]
    for form in (*plain, *encoded, *escaped):
        yield form
        yield json.dumps(form)[1:-1]
        yield json.dumps(form, ensure_ascii=False)[1:-1]
