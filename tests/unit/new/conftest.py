"""Small checkouts, with files as real applications have them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hawser.new.checkout import Checkout
from hawser.new.facts import Draft
from hawser.new.reading import read

GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main")


def commit(folder: Path, files: dict[str, str]) -> Path:
    """Make a repository with one commit of these files."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "first", "--allow-empty")):
        subprocess.run([*GIT, *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[dict[str, str]], Checkout]:
    return lambda files: Checkout(commit(tmp_path / "shop", files))


@pytest.fixture
def draft(checkout: Callable[[dict[str, str]], Checkout]) -> Callable[..., Draft]:
    return lambda files, framework="": read(checkout(files), "shop", framework)


def value(draft: Draft, *loc: str) -> object:
    """Return what a draft has at a key; None where it has nothing."""
    fact = draft.facts.get(loc)
    return None if fact is None else fact.value


DJANGO = {
    "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
    "requirements.txt": "Django==5.1\npsycopg[binary]==3.2\n",
    "shop/__init__.py": "",
    "shop/wsgi.py": "application = get_wsgi_application()\n",
    "shop/urls.py": 'urlpatterns = [path("healthz/", healthy)]\n',
    "shop/settings.py": """\
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ["SHOP_KEY"]
DEBUG = os.getenv("SHOP_DEBUG", "1") == "1"
ALLOWED_HOSTS = os.environ.get("SHOP_HOSTS", "localhost").split(",")
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["django.contrib.staticfiles"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("SHOP_DB", "shop"),
        "USER": os.environ.get("SHOP_DB_USER", "shop"),
        "PASSWORD": os.environ.get("SHOP_DB_PASS", ""),
        "HOST": os.environ.get("SHOP_DB_HOST", ""),
    }
}
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "public"
MEDIA_URL = "/uploads/"
MEDIA_ROOT = os.path.join(BASE_DIR, "uploads")
""",
}
