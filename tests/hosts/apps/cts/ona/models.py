from django.contrib.gis.db.models import PointField
from django.contrib.postgres.fields import HStoreField
from django.db import models


class FormSubmission(models.Model):
    form_id = models.CharField(max_length=256)
    data = HStoreField()
    place = PointField()
    submission_time = models.DateTimeField(auto_now_add=True)
