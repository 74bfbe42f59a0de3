# syntax=docker/dockerfile:1
#
#   docker build --tag odtk .                                 for a CPU
#   docker build --tag odtk:gpu --target gpu .                for an NVIDIA GPU: docker run --gpus all ...
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" odtk demo
#
# Data, models and outputs are in /work, the folder that is mounted. CUDA's libraries come as wheels with odtk[gpu]; the
# host needs NVIDIA's driver and its container toolkit.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY pipelines pipelines
COPY label_maps label_maps
COPY odtk odtk
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim-bookworm AS base
# Any user may run it, as --user does: caches go to a folder that all may write to.
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=3
RUN useradd --create-home --uid 1000 odtk && mkdir /work && chown odtk:odtk /work
WORKDIR /work

FROM base AS gpu
# What is installed is the wheel of the first stage, which bounds what it requires.
# hadolint ignore=DL3013
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    for wheel in /wheels/*.whl; do pip install --no-cache-dir "${wheel}[gpu]"; done
USER 1000
ENTRYPOINT ["odtk"]
CMD ["--help"]

# The last target is what is built without --target.
FROM base AS cpu
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/*.whl
USER 1000
ENTRYPOINT ["odtk"]
CMD ["--help"]
