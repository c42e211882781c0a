"""Use cases that change memories. Each is one transaction on the open user database."""
