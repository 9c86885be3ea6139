# mcp-universal-server with its bundled plugins, built from this checkout.
#
#   docker build --tag mcp-universal-server .
#   docker run --rm --publish 127.0.0.1:8080:8080 --env MCP_TOKEN="$MCP_TOKEN" mcp-universal-server
#
# PROFILE=dev builds without optimisation, which is quicker.
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

# The workspace without its code. What is made of it changes with the manifests
# only, and with it the next stage.
FROM ${RUST_IMAGE} AS skeleton
COPY . /checkout
WORKDIR /checkout
RUN mkdir /skeleton \
 && find . \( -name Cargo.toml -o -name Cargo.lock -o -name build.rs -o -path ./.cargo/config.toml \) \
      -exec cp --parents --target-directory /skeleton {} + \
 && find . \( -name lib.rs -o -name main.rs -o -path '*/src/bin/*.rs' \) -exec sh -c ' \
      for file do \
        mkdir -p "/skeleton/$(dirname "$file")"; \
        case $file in */lib.rs) ;; *) printf "fn main() { }\\n";; esac > "/skeleton/$file"; \
      done' sh {} +

FROM ${RUST_IMAGE} AS build
ARG PROFILE=release
WORKDIR /src
# Everything that others wrote.
COPY --from=skeleton /skeleton ./
RUN cargo build --locked --quiet --package xtask \
 && cargo build --locked --quiet --profile "$PROFILE" --package mcp-universal-server --package 'plugin-*'
# Everything that we did. Its files may be older than what was made of the skeleton.
COPY . .
RUN find . -name '*.rs' -not -path './target/*' -exec touch {} + \
 && case $PROFILE in release) set -- --release;; dev) set --;; *) echo "PROFILE is release or dev" >&2; exit 1;; esac \
 && cargo xtask stage "$@" \
 && mkdir -p /installation/bin /installation/lib/mcp-universal-server \
 && cd "target/$(test "$PROFILE" = dev && echo debug || echo "$PROFILE")" \
 && cp mcp-universal-server /installation/bin/ \
 && cp -r bundled-plugins /installation/lib/mcp-universal-server/

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="mcp-universal-server" \
      org.opencontainers.image.description="One governed MCP server for many agents" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /installation /usr/local
# No name is needed for a number that owns nothing but its state. Without a
# configuration, that is in `state` beside it.
RUN mkdir -p /etc/mcp-universal-server /plugins /var/lib/mcp-universal-server \
 && ln -s /var/lib/mcp-universal-server /etc/mcp-universal-server/state \
 && chown 10001:10001 /var/lib/mcp-universal-server \
 && chmod 700 /var/lib/mcp-universal-server
# Also where the rest is read-only.
VOLUME ["/var/lib/mcp-universal-server"]
USER 10001:10001
# config.yaml is looked for here. Without one, MCP_TOKEN serves one agent.
WORKDIR /etc/mcp-universal-server
ENV MCP_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["mcp-universal-server", "healthcheck", "--url", "http://127.0.0.1:8080"]
ENTRYPOINT ["mcp-universal-server"]
CMD ["serve"]
