# Fencepost in a container. Build and run it as docs/operations.md says.

FROM python:3.12-slim-bookworm AS builder

# the extra `amqp` has no wheels for Linux
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY src src
# uv reads the lock, pip fetches: the same way as scripts/test
RUN uv export --quiet --frozen --no-default-groups --no-emit-project --extra amqp --extra postgresql \
        --output-file requirements.txt \
    && python -m venv /opt/fencepost \
    && /opt/fencepost/bin/pip install --no-cache-dir --require-hashes --requirement requirements.txt \
    && /opt/fencepost/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim-bookworm

RUN groupadd --gid 10001 fencepost \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home \
        --home-dir /var/lib/fencepost --shell /usr/sbin/nologin fencepost \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/fencepost
COPY --from=builder /opt/fencepost /opt/fencepost

# in a container, 127.0.0.1 is reached by nobody
ENV PATH=/opt/fencepost/bin:$PATH \
    FENCEPOST_HTTP_HOST=0.0.0.0 \
    FENCEPOST_MQTT_HOST=0.0.0.0 \
    FENCEPOST_AMQP_HOST=0.0.0.0

USER 10001:10001
VOLUME ["/var/lib/fencepost"]
EXPOSE 8443 8883 5671
STOPSIGNAL SIGTERM
ENTRYPOINT ["fencepost"]
CMD ["serve", "--data", "/var/lib/fencepost"]
