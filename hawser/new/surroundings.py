"""Things around the code: a build with Node, packages of the system, a health path, clocks, older deployments."""

from __future__ import annotations

import json
import posixpath
import re
import shlex

from .commands import compose_services, dockerfiles, joined_lines
from .images import built_folders, scripts_of, tools_of, variables_of
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
_OF_DEVELOPERS = re.compile("dev|start|serve|test|lint|install")
_HEALTH = re.compile(
    r"""["'](/?[a-z0-9_/-]*(?:healthz?|healthcheck|health-check|health_check|livez|liveness|readyz|"""
    r"""__heartbeat__|__lbheartbeat__))/?["']"""
)


def node(project: Project) -> None:
    """Put the build of the assets into the draft, before Django collects them."""
    paths = [
        path for path in project.checkout.files if posixpath.basename(path) == "package.json" and path.count("/") < 5
    ]
    paths = [
        path
        for path in paths
        if not re.search(r"(^|/)(node_modules|tests?|docs?|e2e|viz-lib|packages|examples?)/", path)
    ]
    built = []
    for path in sorted(paths, key=lambda each: each.count("/")):
        described = _described(project, posixpath.dirname(path))
        script = _script(project, posixpath.dirname(path), described)
        if described and (script or (described.get("dependencies") and _reads_modules(project))):
            built.append((posixpath.dirname(path), script, path, described))
    for folder, script, path, described in built[:2]:
        _build(project, folder, script, path, described)
    _moved(project, [folder for folder, script, _path, _described in built[:2] if script])


def _script(project: Project, folder: str, described: dict[str, object]) -> str:
    """Return the script that builds the assets: the one that an image runs, else by its name; empty for none."""
    scripts = described.get("scripts")
    if not isinstance(scripts, dict):
        return ""
    for script, place, _where in scripts_of(project.checkout):
        if script in scripts and place in (folder, None) and not _OF_DEVELOPERS.match(script):
            return script
    return next((each for each in ("build", "build:prod", "production", "prod") if each in scripts), "")


def _moved(project: Project, folders: list[str]) -> None:
    """Have the application find what is built where an image puts it: by the variable that says so, or by a copy."""
    for built in built_folders(project.checkout):
        if not any(built.source.startswith(f"{folder}/" if folder else "") for folder in folders):
            continue
        source = project.relative(built.source)
        read = [name for name in built.variables if any(each.name == name for each in project.reads)]
        for name in read:
            project.variable(name, f"{{{{ release.code }}}}/{source}", built.where)
        if not read and built.place:
            place = project.relative(built.place)
            line = f"mkdir -p {shlex.quote(place)} && cp -r {shlex.quote(source)}/. {shlex.quote(place)}"
            project.draft.add("release", "build", value=line, where=built.where)


def _reads_modules(project: Project) -> bool:
    texts = map(project.checkout.text, project.python)
    return any("node_modules" in text or "NpmFinder" in text for text in texts)


_FETCHES = re.compile(r"SKIP.*DOWNLOAD|INSTALL_BINARY|^NODE_OPTIONS$")
_LOCKS = {
    "pnpm": ("pnpm-lock.yaml",),
    "yarn": ("yarn.lock",),
    "bun": ("bun.lock", "bun.lockb"),
    "npm": ("package-lock.json", "npm-shrinkwrap.json"),
}


def _build(project: Project, folder: str, script: str, path: str, described: dict[str, object]) -> None:
    top = _workspace(project, folder)
    tool = next((each for each, names in _LOCKS.items() if _beside(project, top, names)), "")
    where = project.checkout.where(path, f'"{script}"') if script else path
    project.draft.add("packages", "all", value="nodejs", where=path)
    project.draft.add("packages", "all", value="npm")
    # What an image says of programs that packages fetch for tests: that they shall not.
    given = {name: value for name, value in variables_of(project.checkout).items() if _FETCHES.search(name)}
    skipped = "".join(f"{name}={shlex.quote(value)} " for name, value in given.items() if "$" not in value)
    if tool in ("pnpm", "yarn", "bun"):
        if top != folder:
            described = {**_described(project, top), "engines": described.get("engines")}
        program, frozen = _manager(project, tool, top, described)
        at, run = {
            # Without --bun, programs of packages ask for Node.
            "bun": ("install --cwd {}", "run --bun --cwd {}"),
            "pnpm": ("--dir {} install", "--dir {} run"),
            "yarn": ("--cwd {} install", "--cwd {} run"),
        }[tool]
        commands = [f"{skipped}{program} {_placed(project, at, top)} {frozen}"]
        commands += [f"{program} {_placed(project, run, folder)} {script}"] if script else []
    else:
        commands = [f"{skipped}npm {_placed(project, '--prefix {} ', top)}{'ci' if tool else 'install'}"]
        commands += [f"npm {_placed(project, '--prefix {} ', folder)}run {script}"] if script else []
    if script:
        commands[-1] = f"{_tools(project, script, described)}{commands[-1]}"
    listed = project.draft.facts.get(("release", "build"))
    former = listed.value if listed is not None and isinstance(listed.value, list) else []
    project.draft.facts.pop(("release", "build"), None)
    for command in commands:
        project.draft.add("release", "build", value=command, where=where)
    for command in former:
        project.draft.add("release", "build", value=str(command), where=listed.where if listed else "")
    engines = described.get("engines")
    wanted = str(engines.get("node", "")) if isinstance(engines, dict) else ""
    wanted = (
        wanted
        or project.checkout.text(posixpath.join(folder, ".nvmrc")).strip()
        or project.checkout.text(".nvmrc").strip()
    )
    number = re.search(r"\d+", wanted)
    if number and int(number[0]) > 18 and tool != "bun":
        project.draft.node = max(project.draft.node, int(number[0]))
        project.draft.note(f"the assets want Node {wanted[:20]} ({path}); Debian 12 has 18, Debian 13 has 20.")


def _tools(project: Project, script: str, described: dict[str, object]) -> str:
    """Return what brings a script the programs that an image installs for it, beside the packages that it names."""
    scripts = described.get("scripts")
    text = str(scripts.get(script, "")) if isinstance(scripts, dict) else ""
    listed = [each for key in ("dependencies", "devDependencies") if isinstance(each := described.get(key), dict)]
    found = []
    for each in tools_of(project.checkout):
        name = each.lstrip("@").partition("@")[0].rpartition("/")[2]
        if re.search(rf"(^|[\s;&|]){re.escape(name)}(?=\s|$)", text) and not any(each in known for known in listed):
            found.append(each)
    return f"npx --yes {' '.join(f'--package {each}' for each in found)} -- " if found else ""


def _workspace(project: Project, folder: str) -> str:
    """Return the folder whose lock counts for a package: its own, or that of the workspace which it belongs to."""
    above = folder
    while above and not any(_beside(project, folder, names) for names in _LOCKS.values()):
        above = posixpath.dirname(above)
        has_lock = any(_beside(project, above, names) for names in _LOCKS.values())
        parts = posixpath.join(above, "pnpm-workspace.yaml") in project.checkout.names
        if has_lock and (parts or _described(project, above).get("workspaces")):
            return above
    return folder


def _beside(project: Project, folder: str, names: tuple[str, ...]) -> bool:
    return any(posixpath.join(folder, name) in project.checkout.names for name in names)


def _described(project: Project, folder: str) -> dict[str, object]:
    """Return what the package.json of a folder says; nothing where it has none."""
    try:
        found = json.loads(project.checkout.text(posixpath.join(folder, "package.json")))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _placed(project: Project, words: str, folder: str) -> str:
    """Return words with the option that names a folder, seen from the application; without it where that is its own."""
    place = project.relative(folder or ".")
    return re.sub(r" ?--[a-z]+ \{\} ?", "", words) if place == "." else words.format(shlex.quote(place))


def _manager(project: Project, tool: str, folder: str, described: dict[str, object]) -> tuple[str, str]:
    """Return how yarn, pnpm or bun is called in the version that wrote the lock, and its option to keep to that."""
    asked = re.fullmatch(rf"{tool}@(\d+)([0-9.]*)(\+\S*)?", str(described.get("packageManager", "")))
    if tool == "yarn" and "__metadata:" in project.checkout.text(posixpath.join(folder, "yarn.lock")):
        # Yarn 2 and later, which npm has under another name (https://yarnpkg.com/getting-started/install).
        version = f"@{asked[1]}{asked[2]}" if asked and int(asked[1]) > 1 else "@4"
        # Without that, packages stay archives, and there is no node_modules for the code to read.
        plain = _reads_modules(project) and "nodeLinker:" not in project.checkout.text(
            posixpath.join(folder, ".yarnrc.yml")
        )
        linker = "YARN_NODE_LINKER=node-modules " if plain else ""
        return f"{linker}npx --yes --package @yarnpkg/cli-dist{version} yarn", "--immutable"
    if tool in ("pnpm", "bun") and asked:
        return f"npx --yes {tool}@{asked[1]}{asked[2]}", "--frozen-lockfile"
    return f"npx --yes {tool}", "--frozen-lockfile"


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
            if match and _at_the_top(project, path, line):
                slash = "/" if f"{match[1]}/" in line and "django" in project.packages else ""
                candidates.append((f"/{match[1].strip('/')}{slash}", project.checkout.where(path, match[1])))
    if candidates:
        path, where = candidates[0]
        project.draft.put("processes", "web", "health", value={"path": path}, where=where)


def _at_the_top(project: Project, path: str, line: str) -> bool:
    """Tell whether a route has no prefix that stands elsewhere: one of the root URLs, or of the application itself."""
    if posixpath.basename(path) == "urls.py":
        return path == project.root_urls
    return bool(re.search(r"@(app|application)\.(get|route)\(", line))


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
