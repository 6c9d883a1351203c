"""The tables that the master node's queries name."""

import os

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models


class Champion(models.Model):
    name = models.CharField(max_length=100)
    author = models.ForeignKey(User, models.CASCADE)
    status = models.CharField(max_length=100, default="new")

    @property
    def directory(self):
        contest = os.path.join(settings.STECHEC_ROOT, settings.STECHEC_CONTEST)
        return os.path.join(contest, "champions", self.author.username, str(self.id))

    @property
    def compilation_log(self):
        try:
            with open(os.path.join(self.directory, "compilation.log")) as stream:
                return stream.read()
        except OSError as error:
            return str(error)
