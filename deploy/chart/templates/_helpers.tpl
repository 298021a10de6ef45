{{- define "motet.fullname" -}}
{{- .Values.fullnameOverride | default (printf "%s-host" .Release.Name) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "motet.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "motet.fullname" .) }}
{{- else }}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "motet.selector" -}}
app.kubernetes.io/name: motet-host
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "motet.labels" -}}
{{ include "motet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "motet.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "motet.scheme" -}}
{{- if .Values.tls.secretName }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- define "motet.claim" -}}
{{- .Values.data.persistence.existingClaim | default (include "motet.fullname" .) }}
{{- end }}
