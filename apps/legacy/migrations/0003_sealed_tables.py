from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("legacy", "0002_content_digest"),)
    operations = (
        migrations.AddField(
            model_name="migration",
            name="identity",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.AddField(
            model_name="migrateduser", name="sealed", field=models.JSONField(default=dict)
        ),
    )
