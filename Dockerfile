# `fathom serve` in a container: built in one stage, run in another that has neither compiler nor shell tools to spare.
#
#   docker build -t fathom .
#   docker run --rm -p 127.0.0.1:8000:8000 -v /srv/models/DeepSeek-V4-Flash:/model:ro fathom --model /model --allow-anyone
#
# Without --model the shipped Nano answers. Inside, the server listens at every address of the container, so it wants keys
# (mount a file and name it with --keys) or --allow-anyone together with a published port that only you reach.
FROM debian:12-slim AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
# The launcher's own list of packages, in a layer that stays when the sources change.
COPY tools/lib.sh tools/
RUN . tools/lib.sh \
 && apt-get update \
 && apt-get install -y --no-install-recommends "${build_packages[@]}" "${web_packages[@]}" ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY . .
RUN ./fathom --version && strip build/release/bin/fathom

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libedit2 libssl3 libxxhash0 libzstd1 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/fathom --create-home fathom \
 && install -d -o fathom -g fathom /var/cache/fathom
COPY --from=build /src/build/release/bin/fathom /usr/local/bin/fathom
COPY --from=build /src/models/nano /usr/local/share/fathom/models/nano
ENV XDG_STATE_HOME=/var/lib XDG_CACHE_HOME=/var/cache FATHOM_SERVE_HOST=0.0.0.0
USER fathom
# Keys and token counts; prefixes, with --cache-dir /var/cache/fathom.
VOLUME /var/lib/fathom /var/cache/fathom
EXPOSE 8000
# SIGTERM drains; `docker stop -t` has to be longer than --drain.
STOPSIGNAL SIGTERM
ENTRYPOINT ["fathom", "serve"]
