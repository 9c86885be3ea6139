#!/usr/bin/env bash
# The image and docker-compose.yml, as somebody uses them who has the engine that
# DOCKER_HOST names: builds, starts, calls a tool, edits the configuration, and sees
# HEALTHCHECK tell the truth. PROFILE=release builds with optimisation.
#
# Needs docker, docker-compose (1.29) or docker compose, and curl. What it starts, it
# ends.
set -euo pipefail
cd "$(dirname "$0")/.."

export DOCKER_BUILDKIT=0 COMPOSE_PROJECT_NAME="mus-test-$$"
image=mcp-universal-server:test
folder=$(mktemp -d)
step=start

compose() {
  if command -v docker-compose >/dev/null; then docker-compose "$@"; else docker compose "$@"; fi
}

# The reason comes last, after whatever the tools said.
finish() {
  code=$?
  if [ "$code" != 0 ]; then
    compose logs --no-color --tail 30 mcp 2>/dev/null || true
  fi
  compose down --volumes --timeout 5 >/dev/null 2>&1 || true
  docker rm --force "$COMPOSE_PROJECT_NAME-plain" >/dev/null 2>&1 || true
  rm -rf "$folder"
  if [ "$code" = 0 ]; then
    echo 'docker: everything works'
  else
    echo "docker: FAILED at: $step" >&2
  fi
  exit "$code"
}
trap finish EXIT

fail() {
  step="$step: $*"
  exit 1
}

# eventually SECONDS COMMAND…: until the command succeeds.
eventually() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "waited in vain for: $*"
    sleep 0.2
  done
}

step='building the image'
docker build --network host --build-arg "PROFILE=${PROFILE:-dev}" --tag "$image" .

step='what the image is'
[ "$(docker image inspect --format '{{.Config.User}}' "$image")" = 10001:10001 ] || fail 'it should not be root'
[ "$(docker image inspect --format '{{json .Config.Healthcheck.Test}}' "$image")" != null ] || fail 'no HEALTHCHECK'
docker image inspect --format '{{json .Config.Labels}}' "$image" | grep -q image.licenses || fail 'no labels'
[ -z "$(docker run --rm --entrypoint sh "$image" -c 'find / -xdev -name "*.key" -path "*bundled*"')" ] ||
  fail 'the signing key is in it'

token=mus_docker_test_0123456789_0123456789_abcdef
# call PORT TOOL ARGUMENTS: what a tool answers, or nothing.
call() {
  curl --silent --max-time 10 "http://127.0.0.1:$1/mcp" \
    --header "Authorization: Bearer $token" --header 'Content-Type: application/json' \
    --header 'Accept: application/json, text/event-stream' --header 'MCP-Protocol-Version: 2026-07-28' \
    --header 'Mcp-Method: tools/call' --header "Mcp-Name: $2" \
    --data '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"'"$2"'","arguments":'"$3"',"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}' || true
}
sums() { [[ $(call "$1" core.sum '{"a":2,"b":3}') == *'"text":"5"'* ]]; }
denied() { [[ $(call "$1" core.sum '{"a":2,"b":3}') == *tool_not_granted_to_agent* ]]; }

step='docker run without a configuration'
docker run --detach --name "$COMPOSE_PROJECT_NAME-plain" --read-only --cap-drop ALL \
  --publish 127.0.0.1::8080 --env MCP_TOKEN="$token" "$image" >/dev/null
plain=$(docker port "$COMPOSE_PROJECT_NAME-plain" 8080/tcp | head -n 1)
eventually 60 sums "${plain##*:}"
docker rm --force "$COMPOSE_PROJECT_NAME-plain" >/dev/null

step='docker-compose up'
cp -r deploy/compose "$folder/config"
mkdir "$folder/plugins.d"
chmod -R a+rX "$folder"
export MCP_IMAGE=$image MCP_CONFIG=$folder/config MCP_PLUGINS=$folder/plugins.d MCP_PUBLISH=127.0.0.1:0
export LAPTOP_TOKEN=$token ADMIN_TOKEN=mus_admin_test_0123456789_0123456789_abcdef
compose --profile egress config >/dev/null
compose up --detach --no-build mcp
container=$(compose ps --quiet mcp)
published=$(docker port "$container" 8080/tcp | head -n 1)
port=${published##*:}
eventually 60 sums "$port"

step='how it is confined'
[ "$(docker inspect --format '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}' "$container")" \
  = 'true [ALL] [no-new-privileges:true]' ] || fail 'read-only, without capabilities and new privileges'
[ "$(docker inspect --format '{{.HostConfig.Memory}}' "$container")" -gt 0 ] || fail 'no limit on memory'
docker exec "$container" sh -c 'touch /usr/local/x 2>/dev/null' && fail 'it can write to its own program'

step='a live edit through the mount'
edit() { sed "$1" "$folder/config/config.yaml" >"$folder/new" && mv "$folder/new" "$folder/config/config.yaml" && chmod a+r "$folder/config/config.yaml"; }
edit 's/, "core.sum"]/]/'
eventually 10 denied "$port"
edit 's/"core.echo"]/"core.echo", "core.sum"]/'
eventually 10 sums "$port"
docker exec "$container" mcp-universal-server explain --agent laptop --tool core.sum || fail 'explain'

step='a plugin in a process of its own'
edit 's|^  dir: /plugins$|&\n  entries: { core: { isolation: process } }|'
in_process_of_its_own() {
  docker exec "$container" mcp-universal-server status >"$folder/status"
  grep -q '^  core .*, process, ' "$folder/status" && grep -q 'workers: 1 there (Landlock [0-9]*, seccomp' "$folder/status"
}
eventually 20 in_process_of_its_own
sums "$port" || fail 'a confined plugin should answer'

step='HEALTHCHECK'
health() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = "$1" ]; }
eventually 60 health healthy
docker kill --signal STOP "$container" >/dev/null
eventually 90 health unhealthy
docker kill --signal CONT "$container" >/dev/null
eventually 60 health healthy

step='a stop lets calls finish'
compose stop --timeout 30 mcp
[ "$(docker inspect --format '{{.State.ExitCode}}' "$container")" = 0 ] || fail 'it did not end by itself'
