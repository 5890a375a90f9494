# One image for both processes and all commands. Nothing in it needs a shell, a package manager or a writable disk.
#
#   make page
#   docker build --build-arg BASE_IMAGE=python:3.13-slim-bookworm@sha256:… -t moorage:0.1.0 .
#
# BASE_IMAGE builds and, unless RUNTIME_IMAGE says otherwise, runs. A smaller RUNTIME_IMAGE (one without a shell, say) must have the
# same Python at the same path. Pin both by digest where builds have to be repeatable.
ARG BASE_IMAGE=python:3.13-slim-bookworm
ARG RUNTIME_IMAGE=${BASE_IMAGE}

FROM ${BASE_IMAGE} AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# What changes rarely comes first, so that its layers are kept. Everything that is installed is known by its hash.
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /opt/moorage \
 && /opt/moorage/bin/python -m pip install --require-hashes --only-binary :all: -r requirements.lock \
 && python3 -m venv /opt/build \
 && /opt/build/bin/python -m pip install --require-hashes --only-binary :all: -r requirements-build.lock

FROM dependencies AS build
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY crds crds
COPY operator operator
COPY api api
COPY cli cli
COPY client client
# Built by `make page` before. The pattern lets a missing folder come to the build of the wheel, which says what to do.
COPY web/dis[t] web/dist/
# Files in the wheel get this time, so that the same sources give the same bytes.
ARG SOURCE_DATE_EPOCH=1735689600
RUN /opt/build/bin/hatchling build --target wheel --directory /dist \
 && /opt/moorage/bin/python -m pip install --no-deps /dist/moorage-*.whl \
 && /opt/moorage/bin/python -m pip uninstall --yes pip setuptools
# A tag means something else tomorrow. Which digest is right, only who builds can know, so this warns and continues.
# It comes last, so that all before is kept when only the names change.
ARG BASE_IMAGE
ARG RUNTIME_IMAGE
RUN for image in "BASE_IMAGE=$BASE_IMAGE" "RUNTIME_IMAGE=$RUNTIME_IMAGE"; do \
      case "$image" in \
        *@sha256:*) ;; \
        *) echo "WARNING: $image is not a digest (…@sha256:…), so two builds may differ: see docs/install.md" >&2 ;; \
      esac; \
    done

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Moorage" \
      org.opencontainers.image.description="Which release runs where, who put it there, and the complete history" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/moorage /opt/moorage
# The user below, and whichever the platform puts in its place, is in no list of users: nothing else gives it a name and a home.
ENV PATH=/opt/moorage/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    USER=moorage \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /
EXPOSE 8080 9090
ENTRYPOINT ["moorage"]
