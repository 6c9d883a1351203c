import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="LogEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "source",
                    models.CharField(
                        choices=[("cron", "Cron"), ("worker", "Worker"), ("visitor", "Visitor")], max_length=16
                    ),
                ),
                ("host", models.CharField(max_length=255)),
                ("text", models.CharField(blank=True, max_length=200)),
                ("written_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "verbose_name_plural": "log entries",
                "ordering": ("-pk",),
                "indexes": [models.Index(fields=["source", "-id"], name="newest_of_source")],
            },
        ),
    ]
