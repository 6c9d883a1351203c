from django.contrib.gis.db.models import PointField
from django.contrib.postgres.fields import HStoreField
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="FormSubmission",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("form_id", models.CharField(max_length=256)),
                ("data", HStoreField()),
                ("place", PointField(srid=4326)),
                ("submission_time", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    )
