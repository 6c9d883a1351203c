"""The site by pyinfra: the same state as the other candidates make. Settings come from the file that BENCH names."""

import json
import os
from pathlib import Path

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import files, git, server

settings = json.loads(Path(os.environ["BENCH"]).read_text())
name, root, commit = settings["application"], settings["root"], os.environ["COMMIT"]
release = f"{root}/releases/{commit}"
templates = Path(__file__).parent / "templates"

there = host.get_fact(File, f"{release}/source/manage.py")
if not there:
    git.repo(src=settings["repo"], dest=f"{root}/repository", branch=settings["branch"])
    server.shell(
        name="Copy the code into the release",
        commands=[
            f"mkdir -p {release}/source",
            f"git -C {root}/repository archive {commit} | tar -x -C {release}/source",
            f"chown -R {name}:{name} {release}/source",
        ],
    )
environment = f"{root}/envs/{settings['requirements']}"
if not host.get_fact(File, f"{environment}/.complete"):
    server.shell(
        name="Make the environment",
        commands=[
            f"cd {release}/source && {settings['uv']} venv -q {environment}"
            f" && {settings['uv']} pip install -q --python {environment}/bin/python -r requirements.txt"
            f" && touch {environment}/.complete"
        ],
        _su_user=name,
        _env=settings["index"],
    )
files.link(path=f"{root}/env", target=environment)
written = [
    files.template(src=str(templates / f"{source}.j2"), dest=dest, mode=mode, group=group, **settings)
    for source, dest, mode, group in (
        ("environment", f"{root}/environment", "640", name),
        ("run", f"{root}/run", "755", "root"),
        ("web.conf", f"/etc/supervisor/conf.d/{name}-web.conf", "644", "root"),
        ("worker.conf", f"/etc/supervisor/conf.d/{name}-worker.conf", "644", "root"),
        ("nginx.conf", f"/etc/nginx/sites-enabled/{name}.conf", "644", "root"),
        ("cron", f"/etc/cron.d/{name}", "644", "root"),
    )
]
if not there:
    server.shell(
        name="Collect static files and migrate",
        commands=[
            f"cd {release}/source && {root}/run python manage.py collectstatic --noinput -v 0",
            f"cd {release}/source && {root}/run python manage.py migrate --noinput -v 0",
        ],
        _su_user=name,
    )
current = files.link(path=f"{root}/current", target=release)
server.shell(
    name="Read the definitions of supervisor",
    commands=["supervisorctl update"],
    _if=lambda: any(each.did_change() for each in written),
)
server.shell(
    name="Restart the processes", commands=[f"supervisorctl restart {name}-web {name}-worker"], _if=current.did_change
)
server.shell(
    name="Reload nginx",
    commands=["nginx -tq && systemctl reload-or-restart nginx"],
    _if=lambda: any(each.did_change() for each in written),
)
server.shell(
    name="Visit the site, and look at the worker",
    commands=[
        "curl -sfk --retry 100 --retry-delay 0 --retry-all-errors --retry-max-time 30 -o /dev/null"
        f" --resolve {settings['domain']}:443:127.0.0.1 https://{settings['domain']}/health/",
        f"supervisorctl status {name}-worker",
    ],
)
server.shell(
    name="Remove old releases",
    commands=[f"ls -1dt {root}/releases/* | tail -n +6 | xargs -r rm -rf"],
    _if=current.did_change,
)
