"""Extensions of Flask, and celery."""

from celery import Celery
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
migrate = Migrate(compare_type=True)


def make_celery(app):
    """Make a celery whose tasks run in the context of the application."""
    celery = Celery("paikea.tasks", include=["paikea.tasks"])
    celery.config_from_object("celeryconfig")

    class ContextTask(celery.Task):
        abstract = True

        def __call__(self, *args, **kwargs):
            with app.app_context():
                return self.run(*args, **kwargs)

    celery.Task = ContextTask
    return celery
