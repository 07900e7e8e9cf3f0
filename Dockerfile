# One image that runs any of the services and the command-line programs.
FROM python:3.11-slim-bookworm AS build
WORKDIR /suite
RUN pip install --no-cache-dir 'pdm[locked]==2.29.3'
COPY pyproject.toml pdm.lock README.md ./
COPY libs libs
COPY services services
COPY scripts scripts
RUN pdm config check_update false \
    && pdm use --quiet --first python3.11 \
    && pdm sync --prod --no-editable

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 suite
COPY --from=build /suite/.venv /suite/.venv
ENV PATH=/suite/.venv/bin:$PATH PYTHONUNBUFFERED=1
USER suite
WORKDIR /home/suite
CMD ["cj-suite", "--help"]
