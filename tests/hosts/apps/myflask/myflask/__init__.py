"""A guest book: a Flask application with a factory and SQLite, which reads its settings from the environment."""

import os
import sqlite3
from pathlib import Path

from flask import Flask, g, request


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.update(SECRET_KEY=os.environ["SECRET_KEY"], API_TOKEN=os.environ["API_TOKEN"])
    database = Path(os.environ["DATABASE"])

    def connection() -> sqlite3.Connection:
        if "connection" not in g:
            g.connection = sqlite3.connect(database)
            g.connection.execute("CREATE TABLE IF NOT EXISTS guest (name TEXT NOT NULL)")
        return g.connection

    @app.teardown_appcontext
    def close(_error: object) -> None:
        if "connection" in g:
            g.connection.close()

    @app.get("/")
    def home() -> str:
        names = [name for (name,) in connection().execute("SELECT name FROM guest ORDER BY rowid")]
        return "Guests: " + (", ".join(names) or "none yet")

    @app.post("/")
    def sign() -> tuple[str, int]:
        connection().execute("INSERT INTO guest VALUES (?)", [request.form["name"]])
        connection().commit()
        return "signed", 201

    return app
