{{- /* The filter's configuration, with the ledger's part. In: the chart, and the name of the ledger's cluster. */ -}}
{{- define "stripe402.filter-config" -}}
{{- $ledger := dict "cluster" .cluster "timeout" "1s" "payment_timeout" "30s" "token_env" "LEDGER_TOKEN" }}
{{- merge (dict "ledger" $ledger) .chart.Values.filter.config | toYaml }}
{{- end }}

{{- define "stripe402.filter-image" -}}
{{ .Values.filter.repository }}:{{ .Values.filter.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "stripe402.filter-sha256" -}}
{{ required "filter.sha256: the digest of the filter's image, as skopeo inspect --raw … | sha256sum prints it" .Values.filter.sha256 }}
{{- end }}
