# syntax=docker/dockerfile:1
# An image for a GPU node. CUDA comes with JAX's packages, so the node needs NVIDIA's driver and container toolkit alone.
#
#   docker build -t jaxgen .                              # --build-arg CUDA=cuda12 for drivers older than 580
#   docker run --rm --gpus all --shm-size=8g -v "$PWD/runs:/runs" --user "$(id -u):$(id -g)" jaxgen \
#     --config configs/dcgan_cifar.py
#
# It was linted with hadolint. It was never built or run.
FROM python:3.12-slim-bookworm

ARG CUDA=cuda13
ENV PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    JAXGEN_CACHE=/runs/cache

# Every user may write runs: a mounted folder belongs to whoever made it. Work directories are runs/<name> by default.
RUN useradd --create-home --uid 1000 jaxgen \
    && install --directory --mode=1777 /runs \
    && mkdir /app \
    && ln -s /runs /app/runs

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY jaxgen jaxgen
COPY configs configs
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -c constraints.txt -e ".[${CUDA}]"

USER 1000
ENTRYPOINT ["python", "-m", "jaxgen.main"]
