{{- /* The ledger's cluster in the bootstrap of Envoy Gateway's gateways. */ -}}
{{- define "stripe402.cluster" -}}
name: stripe402_ledger
type: STRICT_DNS
connect_timeout: 1s
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: { http2_protocol_options: {} }
circuit_breakers:
  thresholds:
    - { max_connections: 64, max_pending_requests: 1024, max_requests: 4096, max_retries: 0 }
health_checks:
  # Longer than it takes to compile the filter: until then Envoy reads no answer, and the first check would fail.
  - timeout: 3s
    interval: 2s
    no_traffic_interval: 2s
    unhealthy_threshold: 2
    healthy_threshold: 1
    http_health_check: { path: /readyz, codec_client_type: HTTP2 }
{{- if .Values.tls }}
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    sni: stripe402-ledger.{{ .Release.Namespace }}.svc
    common_tls_context:
      tls_params: { tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }
      tls_certificate_sds_secret_configs:
        - name: gateway
          sds_config:
            resource_api_version: V3
            path_config_source: { path: /stripe402-sds/gateway.yaml }
      validation_context_sds_secret_config:
        name: ledger
        sds_config:
          resource_api_version: V3
          path_config_source: { path: /stripe402-sds/ledger.yaml }
{{- end }}
# Where no ledger is healthy, none is asked: each call would wait for its time-out.
common_lb_config: { healthy_panic_threshold: { value: 0 } }
load_assignment:
  cluster_name: stripe402_ledger
  endpoints:
    - lb_endpoints:
        - endpoint:
            address:
              socket_address: { address: stripe402-ledger.{{ .Release.Namespace }}.svc.cluster.local, port_value: 8402 }
{{- end }}
