# The tag is exact but movable. docs/operations.md shows how to pin it by digest with this argument.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    UV_PROJECT_ENVIRONMENT=/opt/perpgram \
    UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_COMPILE_BYTECODE=1
COPY requirements/uv.txt requirements/uv.txt
RUN python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/uv.txt
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project
COPY README.md LICENSE ./
COPY bot bot
COPY handlers handlers
COPY core core
RUN uv sync --frozen --no-dev --no-editable

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Perpgram" \
      org.opencontainers.image.licenses="AGPL-3.0-or-later"
RUN groupadd --system --gid 10001 perpgram \
    && useradd --system --uid 10001 --gid perpgram --home-dir /nonexistent --no-create-home \
        --shell /usr/sbin/nologin perpgram \
    && install --directory --owner=perpgram --group=perpgram --mode=0700 /data /keys
COPY --from=build /opt/perpgram /opt/perpgram
# The root may be read-only: nothing is written outside /data, /keys and /tmp.
ENV PATH=/opt/perpgram/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    XDG_CONFIG_HOME=/tmp/config \
    MPLCONFIGDIR=/tmp/matplotlib \
    HTTP_HOST=0.0.0.0
# Started in /, so that the default paths data/… and keys/… are the volumes /data and /keys.
WORKDIR /
VOLUME ["/data", "/keys"]
USER perpgram
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 CMD ["perpgram", "healthcheck"]
ENTRYPOINT ["perpgram"]
CMD ["run"]
