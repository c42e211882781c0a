from django.db import migrations
from django.utils import timezone


def create(apps, schema_editor):
    """Main is branch 1 everywhere; the row keeps its name from being taken."""
    branch = apps.get_model("versioning", "Branch")
    branch.objects.using(schema_editor.connection.alias).create(
        id=1, user_id="", name="main", live_name="main", fork_seq=0, created_by="", created_at=timezone.now()
    )


class Migration(migrations.Migration):
    dependencies = (("versioning", "0001_initial"),)
    operations = (migrations.RunPython(create, migrations.RunPython.noop, atomic=False),)
