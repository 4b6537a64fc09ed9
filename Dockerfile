# The image of a load test's task. `docker build .` is all it takes, with Docker 18.09 too: no
# BuildKit. Bases are pinned by version; to pin one to the byte, pass it with its digest:
#   docker build --build-arg BASE_IMAGE=debian:12.11-slim@sha256:… .
# Where the build reaches no Debian or no rustup server, --build-arg PROFILE=no leaves out the
# profile-guided optimisation, which takes two things from there and a training (dist.sh).
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm
ARG BASE_IMAGE=debian:12.11-slim

FROM ${RUST_IMAGE} AS build
ARG PROFILE=yes
WORKDIR /build
# What reads a profile, and the server that TLS is trained against.
RUN [ "$PROFILE" = no ] || { rustup component add llvm-tools && \
    apt-get update && apt-get install -y --no-install-recommends nginx-light; }
COPY . .
# Symbols stay out of the image; a panic still names its file and line.
RUN if [ "$PROFILE" = no ]; \
    then cargo build --locked --profile dist --bin tallyho && made=target/dist/tallyho; \
    else made=$(bash dist.sh); fi && strip -o tallyho "$made"

FROM ${BASE_IMAGE}
# Roots for TLS, as the Rust image has them: no package is installed here.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/tallyho /usr/local/bin/tallyho
RUN useradd --uid 10001 --create-home --home-dir /var/lib/tallyho --shell /bin/sh tallyho
USER 10001:10001
WORKDIR /var/lib/tallyho
ENV TALLYHO_WORK=/var/lib/tallyho
# The first one lets sessions end and uploads what there is.
STOPSIGNAL SIGTERM
# tallyho is the process that gets the signal; there is no shell in between.
ENTRYPOINT ["/usr/local/bin/tallyho"]
CMD ["container"]
