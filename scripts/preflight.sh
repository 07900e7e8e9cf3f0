#!/bin/sh
# What a run in the container needs: cj-run preflight with the addresses of Docker Compose. Options go to cj-run.
# An assignment's folder is named as the container sees it: scripts/preflight.sh /assignments/my-essays
set -eu
exec docker compose run --rm \
  -e LLM_PROVIDER_URL="${LLM_PROVIDER_URL:-http://llm-provider:8102}" \
  -e BATCH_CONDUCTOR_URL="${BATCH_CONDUCTOR_URL:-http://batch-conductor:8103}" \
  -e KAFKA_BOOTSTRAP_SERVERS="${KAFKA_BOOTSTRAP_SERVERS:-kafka:9092}" \
  runner preflight "$@"
