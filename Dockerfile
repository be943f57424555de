# The worker's image. What it installs is pinned with hashes, and wheels only: no compiler, nothing built here.
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/streamgauge
COPY requirements/worker.txt requirements/worker.txt
RUN /opt/streamgauge/bin/pip install --no-cache-dir --only-binary :all: --no-deps --require-hashes -r requirements/worker.txt
COPY . .
RUN /opt/streamgauge/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim-bookworm
# a volume that is mounted on the empty directory takes over its owner
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin streamgauge \
  && install --directory --owner=10001 /var/lib/streamgauge
COPY --from=build /opt/streamgauge /opt/streamgauge
ENV PATH=/opt/streamgauge/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /tmp
# ready = every assigned partition is restored; a restore may take long, hence the start period
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/readyz', timeout=2)"]
ENTRYPOINT ["streamgauge"]
CMD ["worker"]
