from io import StringIO
from unittest.mock import patch

from django.core.management import call_command
from django.db import OperationalError
from django.test import Client, TestCase, override_settings

from logbook.models import LogEntry
from logbook.tasks import heartbeat

PLAIN_STATIC = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@override_settings(STORAGES=PLAIN_STATIC, RELEASE="r42", COMMIT="3f2c1ab")
class SiteTests(TestCase):
    def test_the_page_shows_the_release_and_the_newest_row_of_worker_and_cron(self):
        heartbeat()
        call_command("tick", stdout=StringIO())
        page = self.client.get("/", secure=True).content.decode()
        for expected in ("r42", "3f2c1ab", 'id="worker" data-row="', 'id="cron" data-row="'):
            self.assertIn(expected, page)

    def test_a_visitor_can_write_an_entry_and_needs_the_csrf_token(self):
        answer = self.client.post("/", {"text": "<b>Ahoi</b>"}, secure=True, follow=True)
        self.assertContains(answer, "&lt;b&gt;Ahoi&lt;/b&gt;")
        refused = Client(enforce_csrf_checks=True).post("/", {"text": "Ahoi"}, secure=True)
        self.assertEqual(refused.status_code, 403)

    def test_each_source_keeps_only_its_last_rows(self):
        LogEntry.objects.record("cron")
        with patch.object(LogEntry, "KEEP", 3):
            written = [LogEntry.objects.record("worker").pk for _ in range(5)]
        self.assertEqual([entry.pk for entry in LogEntry.objects.filter(source="worker")], written[:1:-1])
        self.assertEqual(LogEntry.objects.filter(source="cron").count(), 1)

    def test_health_answers_503_without_the_database(self):
        self.assertEqual(self.client.get("/health/").json()["status"], "ok")
        with patch("logbook.views.connection.cursor", side_effect=OperationalError):
            self.assertEqual(self.client.get("/health/").status_code, 503)

    def test_slow_is_bounded_and_takes_numbers_only(self):
        with patch("logbook.views.time.sleep") as sleep:
            self.client.get("/slow/?seconds=999", secure=True)
            self.assertEqual(self.client.get("/slow/?seconds=x", secure=True).status_code, 400)
        sleep.assert_called_once_with(20)
