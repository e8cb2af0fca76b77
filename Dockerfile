# Millrace in an image: one static program, no shell, not root.
#
#   docker build --tag millrace .
#   docker build --tag millrace-devserver --target devserver .    # the embedded Temporal server; takes minutes
#
# The version that `millrace version` prints is that of the checkout, so .git belongs to the context.

ARG GO_VERSION=1.26.8

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS go
ARG TARGETOS TARGETARCH
ENV CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} GOTOOLCHAIN=local GOFLAGS=-trimpath
WORKDIR /src

# What a static program wants of a system: authorities to trust, a name for its user, a place for temporary
# files, a place for data. Time zones are in the program.
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS system
RUN mkdir -p /system/etc/ssl/certs /system/tmp /system/data \
 && cp /etc/ssl/certs/ca-certificates.crt /system/etc/ssl/certs/ \
 && echo 'millrace:x:65532:65532:millrace:/data:/sbin/nologin' > /system/etc/passwd \
 && echo 'millrace:x:65532:' > /system/etc/group

FROM scratch AS rootless
COPY --from=system /system/etc /etc
COPY --from=system --chown=65532:65532 /system/tmp /tmp
COPY --from=system --chown=65532:65532 /system/data /data
USER 65532:65532
WORKDIR /data

FROM go AS build-devserver
COPY devserver/go.mod devserver/go.sum ./
RUN go mod download
COPY devserver ./
RUN go build -tags disable_grpc_modules -ldflags "-s -w" -o /out/millrace-devserver .

FROM rootless AS devserver
LABEL org.opencontainers.image.title="millrace-devserver" \
      org.opencontainers.image.description="A Temporal server with its Web UI in one program, for development" \
      org.opencontainers.image.source="https://github.com/millrace/millrace" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-devserver /out/millrace-devserver /usr/local/bin/millrace-devserver
EXPOSE 7233 8233
ENTRYPOINT ["/usr/local/bin/millrace-devserver"]
CMD ["server", "start-dev", "--ip", "0.0.0.0", "--db-filename", "/data/temporal.db"]

FROM go AS build
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -ldflags "-s -w" -o /out/millrace ./cmd/millrace

FROM rootless AS millrace
LABEL org.opencontainers.image.title="millrace" \
      org.opencontainers.image.description="Workflows for customer records, on Temporal" \
      org.opencontainers.image.source="https://github.com/millrace/millrace" \
      org.opencontainers.image.documentation="https://github.com/millrace/millrace/blob/main/docs/operations.md" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/millrace /usr/local/bin/millrace
# No HEALTHCHECK: whether a worker works shows on its task queue, where `millrace doctor` looks.
ENTRYPOINT ["/usr/local/bin/millrace"]
CMD ["worker"]
