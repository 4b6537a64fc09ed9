# The image of a load test's task. `docker build .` is all it takes, with Docker 18.09 too: no
# BuildKit. Bases are pinned by version; to pin one to the byte, pass it with its digest:
#   docker build --build-arg BASE_IMAGE=debian:12.11-slim@sha256:… .
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm
ARG BASE_IMAGE=debian:12.11-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /build
COPY . .
# Symbols stay out of the image; a panic still names its file and line.
RUN cargo build --locked --profile dist --bin tallyho && strip target/dist/tallyho

FROM ${BASE_IMAGE}
# Roots for TLS, as the Rust image has them: no package is installed here.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/dist/tallyho /usr/local/bin/tallyho
RUN useradd --uid 10001 --create-home --home-dir /var/lib/tallyho --shell /bin/sh tallyho
USER 10001:10001
WORKDIR /var/lib/tallyho
ENV TALLYHO_WORK=/var/lib/tallyho
# The first one lets sessions end and uploads what there is.
STOPSIGNAL SIGTERM
# tallyho is the process that gets the signal; there is no shell in between.
ENTRYPOINT ["/usr/local/bin/tallyho"]
CMD ["container"]
