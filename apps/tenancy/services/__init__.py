"""Use cases of the registry: provision, upgrade, suspend and reactivate. Imported by module."""
