"""Things around the code: packages of the system, a health path, clocks, older deployments."""

from __future__ import annotations

import posixpath
import re

from .commands import compose_services, dockerfiles, joined_lines
from .project import Project

# Of use while an image is built, or there on every host.
_NOT_NEEDED = {
    "build-essential", "gcc", "g++", "make", "curl", "wget", "git", "ca-certificates", "gnupg", "gnupg2",
    "nginx", "supervisor", "sudo", "tini", "gosu", "unzip", "zip", "vim", "nano", "openssh-client", "netcat",
    "netcat-openbsd", "netcat-traditional", "apt-utils", "dumb-init", "procps", "locales",
    "software-properties-common", "lsb-release", "python3", "python3-pip", "python3-venv", "python3-dev",
    "uuid-dev", "nodejs", "npm", "yarn", "apt-transport-https", "cron", "htop", "adduser", "tzdata", "pwgen",
    "git-core", "gnupg1", "iproute2", "yarnpkg", "automake", "sqlite3", "msodbcsql17", "msodbcsql18",
    "google-chrome-stable", "docker-ce", "docker-ce-cli", "containerd.io",
    "libnss-myhostname", "postgresql", "redis-server", "bash", "less", "jq", "xz-utils", "rsync",
}  # fmt: skip
_COMPILED = {
    "psycopg2": ("gcc", "libpq-dev", "python3-dev"),
    "psycopg-c": ("gcc", "libpq-dev", "python3-dev"),
    "mysqlclient": ("gcc", "pkg-config", "default-libmysqlclient-dev", "python3-dev"),
    "python-ldap": ("gcc", "libldap2-dev", "libsasl2-dev", "python3-dev"),
    "xmlsec": ("gcc", "pkg-config", "libxmlsec1-dev", "libxmlsec1-openssl", "python3-dev"),
    "python3-saml": ("gcc", "pkg-config", "libxmlsec1-dev", "libxmlsec1-openssl", "python3-dev"),
    "uwsgi": ("gcc", "python3-dev"),
    "pycairo": ("gcc", "pkg-config", "libcairo2-dev", "python3-dev"),
    "weasyprint": ("libpango-1.0-0", "libpangoft2-1.0-0"),
    "python-magic": ("libmagic1",),
}  # fmt: skip
_SAMPLE = re.compile(
    r"((?:.*/)?[A-Za-z]\w*?)(?:[._-](?:example|sample|template|dist)\.py|\.py[._-](?:example|sample|template|dist))"
)
# An image that installs a compiler has packages without a wheel.
_COMPILER = re.compile(r"(?<=[ \t])(build-essential|build-base|gcc|g\+\+)(?=\s|$)")
# Python's image that is not a slim one has one already.
_WHOLE_IMAGE = re.compile(r"^FROM\s+python:3[\d.]*(-(bookworm|trixie|bullseye))?(?=\s|$)", re.MULTILINE)
_HEALTH = re.compile(
    r"""["'](/?[a-z0-9_/-]*(?:healthz?|healthcheck|health-check|health_check|livez|liveness|readyz|"""
    r"""__heartbeat__|__lbheartbeat__))/?["']"""
)


def system_packages(project: Project) -> None:
    """Put the packages of the system into the draft: those that Python packages are compiled with, and images have."""
    for name, wanted in _COMPILED.items():
        if name in project.packages and not (name == "psycopg2" and "psycopg2-binary" in project.packages):
            for each in wanted:
                project.draft.add("packages", "all", value=each, where=f"{project.packages.names[name]}: {name}")
    for path in ("Aptfile", "apt.txt", "apt-packages.txt"):
        for line in project.checkout.text(path).splitlines():
            if re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", line.strip()) and line.strip() not in _NOT_NEEDED:
                project.draft.add("packages", "all", value=line.strip(), where=path)
    for path in dockerfiles(project.checkout)[:1]:
        text = project.checkout.text(path)
        compiler = _COMPILER.search(re.sub(r"(?m)^\s*#.*$", "", text)) or (
            _WHOLE_IMAGE.search(text) if re.search(r"[ \t]lib\S+-dev\s", text) else None
        )
        if compiler is not None:
            for each in ("build-essential", "python3-dev"):
                project.draft.add("packages", "all", value=each, where=project.checkout.where(path, compiler[0]))
        if re.search(r"^FROM\s+\S*alpine", text, re.MULTILINE | re.IGNORECASE):
            continue
        compiled = re.search(r"\blib\S+-dev\b", text)
        for number, line in joined_lines(text):
            for installed in re.findall(r"apt(?:-get)?\s+(?:-\S+\s+)*install\s+([^;&|]+)", line):
                for word in installed.split():
                    # Each release has another name for a library; what is for compiling brings it along.
                    library = word.endswith("t64") or (compiled and re.fullmatch(r"lib.*[0-9]", word))
                    # Pythons of other archives; those of the hosts are `python.interpreter`.
                    library = library or re.fullmatch(r"python3\.[0-9]+(-[a-z]+)?", word)
                    if re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", word) and word not in _NOT_NEEDED and not library:
                        # Of another archive than Debian's, which has one version and a name without it.
                        name = re.sub(r"^(postgresql-client)-[0-9]+$", r"\1", word)
                        project.draft.add("packages", "all", value=name, where=f"{path}:{number}")


def health(project: Project) -> None:
    """Put the path that says whether the application works into the draft, where the code has one."""
    candidates: list[tuple[str, str]] = []
    for path, _name, service in compose_services(project.checkout):
        match = re.search(r"https?://[^/\s\"']+(/[A-Za-z0-9_/.-]+)", str(service.get("healthcheck", "")))
        if match and "build" in service:
            candidates.append((match[1], path))
    for path in dockerfiles(project.checkout)[:1]:
        match = re.search(
            r"HEALTHCHECK[^\n]*?https?://[^/\s\"']+(/[A-Za-z0-9_/.-]+)",
            project.checkout.text(path).replace("\\\n", " "),
        )
        if match:
            candidates.append((match[1], path))
    code = [
        path
        for path in project.python
        if re.search(r"(^|/)(urls|main|app|asgi|server|__init__|health[a-z_]*|status)\.py$", path)
    ]
    for path in sorted(code, key=lambda each: each.count("/"))[:60]:
        for _number, line in project.checkout.lines(path):
            match = _HEALTH.search(line) if re.search(r"path\(|route\(|\.get\(|url\(|r\(", line) else None
            prefix = _prefix(project, path, line) if match else None
            if match and prefix is not None:
                slash = "/" if f"{match[1]}/" in line and "django" in project.packages else ""
                candidates.append((f"/{prefix}{match[1].strip('/')}{slash}", project.checkout.where(path, match[1])))
    if candidates:
        path, where = candidates[0]
        project.draft.put("processes", "web", "health", value={"path": path}, where=where)


def _prefix(project: Project, path: str, line: str) -> str | None:
    """Return what stands before a route: nothing in the root URLs and in the application itself; None: nobody knows."""
    if posixpath.basename(path) != "urls.py":
        return "" if re.search(r"@(app|application)\.(get|route)\(", line) else None
    if path == project.root_urls:
        return ""
    module = re.escape(project.module_name(path))
    included = rf"""path\(\s*["']([\w/-]*)["']\s*,\s*include\(\s*\(?\s*["']{module}["']"""
    match = re.search(included, project.checkout.text(project.root_urls)) if project.root_urls else None
    return match[1] if match else None


def clocks(project: Project) -> None:
    """Note the crontabs of the checkout; their lines become entries of cron where they are plain."""
    number = 0
    for path in project.checkout.files:
        if not re.search(r"(^|/)(crontab|cron\.d/[^/]+|[^/]*\.cron|crontab\.txt)$", path):
            continue
        for place, line in project.checkout.lines(path):
            match = re.fullmatch(
                r"\s*((?:[0-9*/,-]+\s+){5}|@\w+\s+)(?:root\s+|www-data\s+)?(\S.*?)(?:\s*[>|].*)?\s*", line
            )
            command = (
                re.search(r"(?:python3?\s+)?(?:\S*/)?manage\.py\s+([a-z_]+(?:\s+[-\w=]+)*)", match[2])
                if match
                else None
            )
            if match and command and number < 20:
                number += 1
                name = command[1].split()[0].replace("_", "-")
                project.draft.put("cron", name, "schedule", value=" ".join(match[1].split()), where=f"{path}:{place}")
                project.draft.put(
                    "cron", name, "command", value=f"python manage.py {command[1]}", where=f"{path}:{place}"
                )


def former_deployments(project: Project) -> None:
    """Note what older deployments in the checkout install and start."""
    for path in project.checkout.files:
        base, text = posixpath.basename(path), ""
        if base == "fabfile.py" or path.startswith("fabfile/"):
            text = project.checkout.text(path)
            if "hawser" in text:
                continue
            kind = "Fabric"
        elif path.startswith("."):
            # Workflows of a forge have such names too.
            continue
        elif re.search(r"(^|/)(playbooks?/[^/]+|roles/[^/]+/tasks/main|deploy|site|playbook)\.ya?ml$", path):
            text, kind = project.checkout.text(path), "Ansible"
        names = _installed(text) if text else []
        if text:
            project.draft.note(
                f"{path} is an older deployment with {kind}"
                + (f"; it installs {', '.join(names)}" if names else "")
                + "."
            )


def _installed(text: str) -> list[str]:
    found = re.findall(r"apt(?:-get|_get)?\s+(?:-\S+\s+)*install\s+([a-z0-9][a-z0-9.+ -]*)", text)
    words = [word for each in found for word in each.split() if not word.startswith("-")]
    words += re.findall(r"^\s+-\s+([a-z0-9][a-z0-9.+-]{2,})\s*$", text, re.MULTILINE) if "apt:" in text else []
    return list(dict.fromkeys(words))[:12]


def other_services(project: Project) -> None:
    """Note the services of compose that Hawser does not install."""
    for path, name, service in compose_services(project.checkout):
        image = str(service.get("image", ""))
        if re.search(
            r"(elasticsearch|opensearch|meilisearch|minio|mongo|clickhouse|solr|kafka|nats|mailhog|typesense)", image
        ):
            project.draft.note(f"{path} has {name} ({image[:60]}); Hawser does not install it.")


def visitors_addresses(project: Project) -> None:
    """Note where the code asks for the address of its visitor, which behind a socket is empty."""
    command = project.draft.facts.get(("processes", "web", "command"))
    if command is None or "socket" not in str(command.value):
        return
    for path in project.python:
        text = project.checkout.text(path)
        if "REMOTE_ADDR" in text and "FORWARDED_FOR" not in text:
            project.draft.note(
                f"{project.checkout.where(path, 'REMOTE_ADDR')} reads REMOTE_ADDR, which is empty behind a socket; the "
                "visitor's address comes as X-Forwarded-For. With `port` and `spare_port` in place of the socket it is "
                "the web server's."
            )
            return


def samples_of_code(project: Project) -> None:
    """Note the samples of modules that the checkout lacks: the application imports them, and hosts get no such file."""
    for path in project.checkout.files:
        match = _SAMPLE.fullmatch(path)
        name = f"{match[1]}.py" if match else ""
        stem = posixpath.basename(name).removesuffix(".py")
        if (
            not name
            or name in project.checkout.names
            or not name.startswith(f"{project.base}/" if project.base else "")
        ):
            continue
        imported = re.compile(rf"(import|from)\s+(\S+\.)?{re.escape(stem)}\b|[\"'](\w+\.)+{re.escape(stem)}[\"']")
        if stem and any(imported.search(project.checkout.text(each)) for each in project.python if each != path):
            project.draft.note(
                f"{path} is a sample of {name}, which the code imports; where it is needed, [[files]] brings it."
            )
