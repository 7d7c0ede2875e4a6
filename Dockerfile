# An image of the static binary and nothing else: docker build -t zooid .
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build && mkdir -p /image/data /image/datalog /image/conf /image/tmp && chmod 1777 /image/tmp
# clientPortAddress is left out: a container is reached from outside.
RUN printf '%s\n' tickTime=2000 initLimit=5 syncLimit=2 dataDir=/data dataLogDir=/datalog clientPort=2181 \
    autopurge.purgeInterval=1 autopurge.snapRetainCount=3 > /image/conf/zoo.cfg

FROM scratch
COPY --from=build --chown=1000:1000 /image/ /
COPY --from=build /src/build/zooid /zooid
COPY --from=build /src/LICENSE /LICENSE
USER 1000:1000
VOLUME ["/data", "/datalog"]
EXPOSE 2181
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["/zooid", "status", "/conf/zoo.cfg"]
ENTRYPOINT ["/zooid"]
CMD ["server", "/conf/zoo.cfg"]
