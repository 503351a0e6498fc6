# 3.13: the newest Python that the tests run on, and past 3.12.2, before which a zip whose entries
# overlap inflates without bound. Both stages must be of the same image: the environment links to it.
FROM python:3.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/reportsync
COPY requirements.lock ./
RUN pip --python /opt/reportsync install --no-deps --require-hashes --only-binary=:all: \
        -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY reportsync ./reportsync
# A lock that lacks something, or a package that does not start here, ends the build and not the night.
RUN pip --python /opt/reportsync install --no-deps . \
 && pip --python /opt/reportsync check \
 && /opt/reportsync/bin/reportsync --version

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="reportsync" \
      org.opencontainers.image.description="Never lose a day of daily campaign reports" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/opt/reportsync/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Nothing is installed from here on. An empty volume takes its owner from the folder that it covers.
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
 && install -d -m 0750 -o 10001 -g 10001 /var/lib/reportsync
COPY --from=build /opt/reportsync /opt/reportsync
USER 10001:10001
VOLUME ["/var/lib/reportsync"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=1m --timeout=10s --start-period=1m --retries=3 CMD ["reportsync", "health"]
# Exec form: the program is process 1 and gets the signals itself; no shell is needed to run it.
ENTRYPOINT ["reportsync"]
CMD ["run"]
