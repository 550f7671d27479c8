# syncd as a container: a sidecar beside whatever writes the documents. Read-only root file system, no root, no shell needed.
#
#   docker build -t syncd .                                  from a clone
#   docker build -t syncd --build-arg SYNCD=syncd==0.1.0 .   from the package index (as `syncd scaffold docker` writes it)
# The base by its digest: the same image each time, until somebody decides on another.
ARG PYTHON=docker.io/library/python:3.13-slim-trixie@sha256:ffb752e139c0a19692a43af8d8523b274222dd68eebad5d583b45c2201c6e30a

FROM ${PYTHON} AS build
ARG SYNCD=/src
COPY . /src
# Every dependency, and what builds the wheel, is a file that a lock file names by its hash. pip leaves at the end: nothing in
# the finished image installs anything.
RUN export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
 && python3 -m venv /opt/syncd \
 && /opt/syncd/bin/pip install --require-hashes -r /src/requirements.lock \
 && if [ -d "${SYNCD}" ]; then \
        python3 -m venv /opt/build \
     && /opt/build/bin/pip install --require-hashes -r /src/.ci/build.lock \
     && /opt/build/bin/pip wheel --no-deps --no-build-isolation -w /opt/wheel "${SYNCD}" \
     && /opt/syncd/bin/pip install --no-deps /opt/wheel/*.whl; \
    else /opt/syncd/bin/pip install --no-deps "${SYNCD}"; fi \
 && /opt/syncd/bin/pip check \
 && /opt/syncd/bin/python -m compileall -q /opt/syncd/lib \
 && /opt/syncd/bin/pip uninstall --yes --quiet pip

FROM ${PYTHON}
LABEL org.opencontainers.image.title="syncd" \
      org.opencontainers.image.description="Keeps FastGPT knowledge bases an exact, proven mirror of folders of documents" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/syncd /opt/syncd
# Any user of group 0 may write the state, as OpenShift gives a container a user of its own choice. (COPY keeps no mode.)
RUN install -d -o 10001 -g 0 -m 770 /var/lib/syncd && install -d -o 10001 -g 0 /etc/syncd
ENV PATH=/opt/syncd/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SYNCD_CONFIG=/etc/syncd/config.toml \
    STATE_DIRECTORY=/var/lib/syncd \
    HOME=/tmp
USER 10001:0
VOLUME /var/lib/syncd
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/syncd/bin/python", "-m", "syncd.healthcheck"]
ENTRYPOINT ["/opt/syncd/bin/syncd"]
CMD ["run"]
