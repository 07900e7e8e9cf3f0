# One image that runs any of the services and the command-line programs.
FROM python:3.11-slim-bookworm AS build
WORKDIR /suite
RUN pip install --no-cache-dir 'pdm[locked]==2.29.3'
COPY pyproject.toml pdm.lock README.md ./
# Dependencies first: they change less often than the code, and stay in the builder's cache.
RUN pdm config check_update false \
    && pdm use --quiet --first python3.11 \
    && pdm sync --prod --group tracing --group vertex --no-self
COPY libs libs
COPY services services
COPY scripts scripts
RUN pdm sync --prod --group tracing --group vertex --no-editable \
    && .venv/bin/python -m compileall -q -j 0 .venv/lib

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home suite \
    && install --directory --owner suite /home/suite/runs
COPY --from=build /suite/.venv /suite/.venv
# Nothing is written outside /tmp and mounted volumes: the root file system may be read-only.
ENV PATH=/suite/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib
USER 10001
WORKDIR /home/suite
CMD ["cj-suite", "--help"]
