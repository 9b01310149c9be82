{{- /* The pods of a ledger, whatever makes them. */ -}}
{{- define "stripe402.pod" -}}
{{- $scheme := ternary ", scheme: HTTPS" "" .Values.tls -}}
metadata:
  labels: { app.kubernetes.io/name: stripe402-ledger }
spec:
  serviceAccountName: stripe402-ledger
  automountServiceAccountToken: false
  enableServiceLinks: false
  # preStop, shutdown_grace, and a margin: a card payment that is under way is finished.
  terminationGracePeriodSeconds: 45
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - { name: {{ . }} }
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    {{- if or .Values.tls (eq .Values.store.kind "file") }}
    fsGroup: 65532
    {{- end }}
    {{- if eq .Values.store.kind "file" }}
    fsGroupChangePolicy: OnRootMismatch
    {{- end }}
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: ledger
      image: {{ include "stripe402.image" . }}
      imagePullPolicy: IfNotPresent
      envFrom:
        - secretRef: { name: {{ .Values.secret }} }
      env:
        - { name: LEDGER_LISTEN, value: "0.0.0.0:8402" }
        - { name: LEDGER_ADMIN_LISTEN, value: "0.0.0.0:8403" }
        - { name: LEDGER_WEBHOOK_LISTEN, value: "0.0.0.0:8406" }
        - { name: LEDGER_LOG_FORMAT, value: json }
        - { name: LEDGER_SHUTDOWN_GRACE, value: 30s }
        {{- if eq .Values.store.kind "file" }}
        - { name: LEDGER_STORE, value: "file:/data/stripe402.redb" }
        {{- end }}
        {{- if .Values.tls }}
        - { name: LEDGER_TLS_CERTIFICATE, value: /tls/tls.crt }
        - { name: LEDGER_TLS_KEY, value: /tls/tls.key }
        # Gateways must show a certificate; probes and Prometheus need none.
        - { name: LEDGER_TLS_CLIENT_CA, value: /tls/ca.crt }
        {{- end }}
        {{- range $name, $value := .Values.settings }}
        - { name: {{ $name }}, value: {{ $value | quote }} }
        {{- end }}
      ports:
        - { name: ledger, containerPort: 8402, protocol: TCP }
        - { name: admin, containerPort: 8403, protocol: TCP }
        - { name: webhooks, containerPort: 8406, protocol: TCP }
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      resources: {{ toJson .Values.resources }}
      # A store may need a while to be opened, or to be reached.
      startupProbe:
        httpGet: { path: /healthz, port: admin{{ $scheme }} }
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /healthz, port: admin{{ $scheme }} }
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        httpGet: { path: /readyz, port: admin{{ $scheme }} }
        periodSeconds: 5
        timeoutSeconds: 3
      lifecycle:
        # Gateways hear within seconds that this replica goes; until then it serves.
        preStop: { sleep: { seconds: 10 } }
      {{- if or .Values.tls (eq .Values.store.kind "file") }}
      volumeMounts:
        {{- if eq .Values.store.kind "file" }}
        - { name: data, mountPath: /data }
        {{- end }}
        {{- if .Values.tls }}
        - { name: tls, mountPath: /tls, readOnly: true }
        {{- end }}
      {{- end }}
  {{- if .Values.tls }}
  volumes:
    - name: tls
      # 0440, which not every reader of YAML takes for a number.
      secret: { secretName: stripe402-ledger-tls, defaultMode: 288 }
  {{- end }}
  {{- if ne .Values.store.kind "file" }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector: { matchLabels: { app.kubernetes.io/name: stripe402-ledger } }
    {{- end }}
  {{- end }}
{{- end }}

{{- define "stripe402.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}{{ end }}
{{- end }}
