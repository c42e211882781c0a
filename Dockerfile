# Two stages: mysqlclient is compiled in the first, the second carries no compiler.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc pkg-config default-libmysqlclient-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.txt ./
COPY requirements/embedded.txt requirements/
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libmariadb3 \
    && rm -rf /var/lib/apt/lists/* && useradd --uid 1000 --create-home memoria
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
# collectstatic needs settings to load, not secrets that matter.
RUN MASTER_KEY=build-only-0123456789 MEMORIA_SECRET_KEY=build MEMORIA_DATA_DIR=/tmp/build \
    DJANGO_SETTINGS_MODULE=config.settings.production /venv/bin/python manage.py collectstatic --noinput \
    && rm -rf /tmp/build && mkdir /data && chown memoria /data
USER memoria
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DJANGO_SETTINGS_MODULE=config.settings.production \
    MEMORIA_DATA_DIR=/data MEMORIA_HOST=0.0.0.0 MEMORIA_PORT=8100
EXPOSE 8100
HEALTHCHECK --interval=10s --timeout=5s --start-period=40s CMD \
    ["python", "-c", "import os,urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"MEMORIA_PORT\"]}/health/instance', timeout=4)"]
CMD ["python", "manage.py", "serve"]
