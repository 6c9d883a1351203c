"""What `celery -A celery_worker.celery worker` starts."""

from autoapp import create_app
from paikea.extensions import make_celery

app = create_app()
app.app_context().push()
celery = make_celery(app)
