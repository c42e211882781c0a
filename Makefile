# `make run` serves Memoria from this checkout; `make test` proves it. Both work again, offline and in any folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3

.PHONY: help install run superuser worker test check fmt lint types imports audit test-sqlite test-mariadb system dev bench

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Memoria needs Python 3.11 or newer (PYTHON=python3.12 make run)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }

.venv/.embedded: requirements/embedded.txt | .venv/bin/python
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/embedded.txt
	@touch .venv/.embedded

.venv/.dev: requirements/embedded.txt requirements.txt requirements/dev.txt | .venv/bin/python system
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch .venv/.dev .venv/.embedded

install: .venv/.embedded ## Set up the embedded server, without starting it

dev: .venv/.dev ## Set up everything the tests need

run: install ## Serve on http://$HOST:$PORT (127.0.0.1:8100), data in MEMORIA_DATA_DIR (./var)
	@exec .venv/bin/python manage.py serve

worker: install ## Run background jobs beside the server
	@exec .venv/bin/python -m celery -A config.celery worker --beat --pool threads --concurrency 4 --loglevel warning

superuser: install ## Create an account for the console
	@.venv/bin/python manage.py migrate --verbosity 0
	@.venv/bin/python manage.py createsuperuser

system: # Debian packages that the tests need: real servers, and what mysqlclient compiles against
	@.ci/system-packages

test check: dev ## Lint, types, import contracts and the whole suite on both engines
	$(MAKE) --no-print-directory lint types imports test-sqlite test-mariadb

fmt: dev ## Format the code
	.venv/bin/python -m ruff check --fix .
	.venv/bin/python -m ruff format .

lint: dev ## Style and spelling
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m codespell_lib
	.venv/bin/python manage.py makemigrations --check --dry-run

types: dev ## Static types
	.venv/bin/python -m mypy

imports: dev ## Who may import whom
	.venv/bin/lint-imports

audit: dev ## Known vulnerabilities of what the server is built from (asks the advisory service on the network)
	.venv/bin/pip-audit --no-deps --disable-pip -r requirements/embedded.txt

test-sqlite: dev ## The suite on SQLite
	MEMORIA_TEST_ENGINE=sqlite .venv/bin/python -m pytest -n 2 --dist worksteal

test-mariadb: dev ## The suite on MariaDB
	MEMORIA_TEST_ENGINE=mariadb .venv/bin/python -m pytest -n 2 --dist worksteal --ignore tests/unit
