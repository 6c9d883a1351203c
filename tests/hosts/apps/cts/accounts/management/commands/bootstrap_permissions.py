from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Creates any missing groups and permissions"

    def handle(self, *args, **options):
        for name in ("Coordinators", "Managers", "Officers", "Partners"):
            Group.objects.get_or_create(name=name)
        self.stdout.write("Successfully created any missing permissions and groups")
