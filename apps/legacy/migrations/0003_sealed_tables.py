from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("legacy", "0002_content_digest"),)
    operations = (
        migrations.AddField(
            model_name="migrateduser", name="sealed", field=models.JSONField(default=dict)
        ),
    )
