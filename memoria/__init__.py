"""The domain of Memoria in plain Python: no framework, no SQL, no clock, no environment."""
