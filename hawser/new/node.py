"""The build of assets with Node: by which program, from which lock, and where the application looks for them."""

from __future__ import annotations

import json
import posixpath
import re
import shlex

from .images import built_folders, scripts_of, tools_of, variables_of
from .project import Project

# What packages are told not to fetch: browsers and the like, for tests.
_FETCHES = re.compile(r"SKIP.*DOWNLOAD|INSTALL_BINARY|^NODE_OPTIONS$")
_LOCKS = {
    "pnpm": ("pnpm-lock.yaml",),
    "yarn": ("yarn.lock",),
    "bun": ("bun.lock", "bun.lockb"),
    "npm": ("package-lock.json", "npm-shrinkwrap.json"),
}
_OF_DEVELOPERS = re.compile("dev|start|serve|test|lint|install")


def describe(project: Project) -> None:
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
        # Those that install packages are called by their version already.
        if (
            name not in ("npm", "corepack", *_LOCKS)
            and re.search(rf"(^|[\s;&|]){re.escape(name)}(?=\s|$)", text)
            and not any(each in known for known in listed)
        ):
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
