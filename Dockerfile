# The image of one edge: docker build --tag sip-edge .      How to run it: deploy/README.md.
#
# The base is pinned by its tag. Where images are built for good, pin the digest as well
# (python:3.11-slim-bookworm@sha256:...), so that two builds of a commit are the same.

# --- what needs pip and the build backend ------------------------------------------------------
FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /build

# First what changes rarely. Wheels alone: nothing is compiled, so no compiler is needed. The
# environment that goes into the image never has pip.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/sip-edge \
    && python -m pip --python /opt/sip-edge/bin/python install \
        --only-binary :all: --require-hashes -r requirements.lock \
    && python -m venv tools \
    && tools/bin/python -m pip install \
        --only-binary :all: --require-hashes -r requirements-build.lock

COPY pyproject.toml README.md ./
COPY sip_edge sip_edge
RUN tools/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && python -m pip --python /opt/sip-edge/bin/python install --no-deps --no-index dist/*.whl

# --- what runs -----------------------------------------------------------------------------------
FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="sip-edge" \
    org.opencontainers.image.description="Answers carriers' SIP calls and hands them to AI agent workers" \
    org.opencontainers.image.licenses="Apache-2.0"

# A fixed number, so that the owner of a volume is the same in every version.
RUN python -m pip uninstall --quiet --yes --root-user-action ignore pip setuptools wheel \
    && groupadd --gid 10001 sip-edge \
    && useradd --uid 10001 --gid sip-edge --no-create-home \
        --home-dir /var/lib/sip-edge --shell /usr/sbin/nologin sip-edge \
    && install --directory --owner sip-edge --group sip-edge --mode 0750 /var/lib/sip-edge

COPY --from=build /opt/sip-edge /opt/sip-edge
COPY config/sip_edge.container.toml /etc/sip-edge/sip_edge.toml

# A stack of every thread is written if the process dies of a signal.
ENV PATH=/opt/sip-edge/bin:$PATH \
    PYTHONFAULTHANDLER=1 \
    PYTHONUNBUFFERED=1

# Relative paths of the configuration lie here: recordings, spooled records, and the database of a
# trial. For more than a trial set SIP_EDGE__DATABASE__DSN.
WORKDIR /var/lib/sip-edge
VOLUME /var/lib/sip-edge

USER 10001:10001

# SIP, HTTP for metrics and health, and the control API (8081, loopback alone unless api.host says
# otherwise). RTP uses 20000-29999/udp ([media] port_min, port_max): too
# many to publish one by one, so run it with --network host.
EXPOSE 5060/udp 5060/tcp 5061/tcp 8080/tcp 8081/tcp

# Drains: new calls get 503, current ones have [shutdown] drain_seconds to finish.
STOPSIGNAL SIGTERM

# Is the media loop turning? Not readiness: without its database an edge should not be restarted.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --start-interval=2s --retries=3 \
    CMD ["sip-edge", "health", "--config", "/etc/sip-edge/sip_edge.toml"]

ENTRYPOINT ["sip-edge"]
CMD ["serve", "--config", "/etc/sip-edge/sip_edge.toml"]
