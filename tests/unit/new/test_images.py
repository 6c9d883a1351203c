"""What Dockerfiles build with Node, and where the application looks for it."""

from __future__ import annotations

import pytest

from .conftest import value

MAIN = """\
import os
from fastapi import FastAPI

FOLDER = os.environ.get("SHOP_PAGES", "")
app = FastAPI()
"""
FILES = {
    "requirements.txt": "fastapi\nuvicorn\n",
    "shop/__init__.py": "",
    "shop/main.py": MAIN,
    "web/package.json": '{"scripts": {"build": "nuxt build", "generate": "nuxt generate", "lint": "x"}}',
    "web/yarn.lock": "# yarn lockfile v1\n",
}
NODE = """\
FROM node:22 AS pages
WORKDIR /app
COPY ./web .
RUN yarn install --frozen-lockfile
RUN yarn lint && yarn generate
"""
YARN = ["npx --yes yarn --cwd web install --frozen-lockfile", "npx --yes yarn --cwd web run generate"]


def test_a_variable_of_the_image_that_names_built_pages_leads_to_where_they_are_built(draft):
    image = f"{NODE}\nFROM python:3.11\nENV SHOP_PAGES=/srv/pages\nCOPY --from=pages /app/dist ${{SHOP_PAGES}}\n"
    found = draft({**FILES, "Dockerfile": image})
    assert value(found, "release", "build") == YARN
    assert value(found, "env", "variables", "SHOP_PAGES") == "{{ release.code }}/web/dist"


@pytest.mark.parametrize(
    ("taken", "copied"),
    [
        ("COPY --from=pages /app/dist ./shop/static", ["mkdir -p shop/static && cp -r web/dist/. shop/static"]),
        ("COPY --from=pages --chown=shop /app/dist /srv/web/dist", []),
        ("COPY --from=ghcr.io/astral-sh/uv:0.7 /uv /bin/", []),
    ],
)
def test_pages_that_an_image_puts_into_the_code_are_copied_there(draft, taken, copied):
    image = f"{NODE}\nFROM python:3.11\nWORKDIR /srv\nCOPY . /srv\n{taken}\n"
    assert value(draft({**FILES, "Dockerfile": image}), "release", "build") == [*YARN, *copied]


def test_what_an_image_forbids_packages_of_node_to_fetch_is_forbidden_to_hosts(draft):
    image = NODE.replace("WORKDIR /app\n", "ENV CYPRESS_INSTALL_BINARY=0 NODE_ENV=production\nWORKDIR /app\n")
    build = value(draft({**FILES, "Dockerfile": image}), "release", "build")
    assert build == [f"CYPRESS_INSTALL_BINARY=0 {YARN[0]}", YARN[1]]


def test_packages_of_a_workspace_are_installed_at_its_top_by_the_program_that_wrote_its_lock(draft):
    files = {name: text for name, text in FILES.items() if name != "web/yarn.lock"}
    files |= {"package.json": '{"packageManager": "bun@1.2.3", "workspaces": ["web"]}', "bun.lock": "{}"}
    assert value(draft(files), "release", "build") == [
        "npx --yes bun@1.2.3 install --frozen-lockfile",
        "npx --yes bun@1.2.3 run --bun --cwd web build",
    ]


def test_a_lock_at_the_top_of_no_workspace_is_for_other_packages(draft):
    files = {name: text for name, text in FILES.items() if name != "web/yarn.lock"}
    files |= {"package.json": "{}", "package-lock.json": "{}"}
    assert value(draft(files), "release", "build") == ["npm --prefix web install", "npm --prefix web run build"]


def test_a_program_that_an_image_installs_for_a_script_is_there_on_hosts(draft):
    files = {
        "requirements.txt": "fastapi\n",
        "main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "package.json": '{"scripts": {"css": "pnpm run x && sass a.scss b.css"}, "devDependencies": {"gulp-cli": "3"}}',
        "package-lock.json": "{}",
        "Dockerfile": "FROM node:20\nRUN npm install -g npm pnpm@10 sass@1.70 gulp-cli && npm ci && npm run css\n",
    }
    assert value(draft(files), "release", "build") == ["npm ci", "npx --yes --package sass@1.70 -- npm run css"]
