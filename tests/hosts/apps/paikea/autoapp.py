"""The application, as Flask and celery find it."""

import os

from dotenv import load_dotenv

load_dotenv(os.environ["PAIKEA_DOTENV"])

import logging  # noqa: E402
from logging.handlers import TimedRotatingFileHandler  # noqa: E402

from flask import Flask  # noqa: E402

from paikea import views  # noqa: E402
from paikea.extensions import db, migrate  # noqa: E402
from paikea.settings import Config, ProdConfig  # noqa: E402


def create_app():
    app = Flask(__name__, static_url_path="/static")
    app.config.from_object(ProdConfig if os.environ["PAIKEA_ENV"] == "PROD" else Config)
    app.register_blueprint(views.blueprint)
    db.init_app(app)
    migrate.init_app(app, db, render_as_batch=True)
    app.logger.addHandler(TimedRotatingFileHandler(Config.LOG_FILE, when="W6", backupCount=52, utc=True))
    app.logger.setLevel(logging.INFO)
    app.logger.info("App initialized")
    return app
