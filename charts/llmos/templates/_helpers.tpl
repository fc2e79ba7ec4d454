{{/* The release's name, with the chart's where it does not say so itself: llmos, or prod-llmos. */}}
{{- define "llmos.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "llmos.operatorName" -}}
{{- printf "%s-operator" (include "llmos.fullname" .) -}}
{{- end -}}

{{/* For objects outside namespaces: two releases of one name in two namespaces must not meet. */}}
{{- define "llmos.clusterScopedName" -}}
{{- printf "%s-%s" (include "llmos.operatorName" .) .Release.Namespace -}}
{{- end -}}

{{- define "llmos.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "llmos.operatorName" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name must be set where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "llmos.selectorLabels" -}}
app.kubernetes.io/name: llmos-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "llmos.labels" -}}
{{ include "llmos.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: llmos
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Of the sweep's pods: not the operator's, or its Service would send reports to them. */}}
{{- define "llmos.sweepLabels" -}}
app.kubernetes.io/name: llmos-sweep
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: sweep
app.kubernetes.io/part-of: llmos
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* An image reference; call with (list $ "operator"). */}}
{{- define "llmos.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $image := index $root.Values.images $name -}}
{{- $registry := default $root.Values.images.registry $image.registry -}}
{{- if not $registry -}}
{{- fail (printf "images.registry must be set: the registry that holds llmos/operator, llmos/trainer, llmos/sidecar and llmos/triton (or images.%s.registry for this one)" $name) -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s/%s@%s" $registry $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s/%s:%s" $registry $image.repository (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "llmos.reportSecretName" -}}
{{- default (printf "%s-report-tls" (include "llmos.operatorName" .)) .Values.report.tls.secretName -}}
{{- end -}}

{{/* /etc/llmos/operator.yaml: docs/design/0001-architecture.md, section 7. */}}
{{- define "llmos.configuration" -}}
installationId: {{ printf "%s/%s" .Release.Namespace .Release.Name | quote }}
artifacts:
  repository: {{ required "artifacts.repository must be set: host and path of the OCI registry that holds models and snapshots, such as registry.example.com/llmos" .Values.artifacts.repository | quote }}
  plainHTTP: {{ .Values.artifacts.plainHTTP }}
  caSecretName: {{ .Values.artifacts.caSecretName | quote }}
  credentialsSecretName: {{ .Values.artifacts.credentialsSecretName | quote }}
  {{- with .Values.artifacts.verification.publicKey }}
  verification: {publicKey: {{ toJson . }}}
  {{- end }}
images:
  trainer: {{ include "llmos.image" (list . "trainer") | quote }}
  sidecar: {{ include "llmos.image" (list . "sidecar") | quote }}
  triton: {{ include "llmos.image" (list . "triton") | quote }}
imagePullPolicy: {{ .Values.images.pullPolicy }}
imagePullSecrets: {{ toJson .Values.imagePullSecrets }}
workloads:
  caBundleConfigMapName: {{ .Values.workloads.caBundleConfigMapName | quote }}
  env: {{ toJson .Values.workloads.env }}
report:
  url: {{ printf "https://%s.%s.svc:8443/v1/reports" (include "llmos.operatorName" .) .Release.Namespace | quote }}
  port: 8443
  certificateDirectory: /etc/llmos/report-tls
networkPolicies:
  enabled: {{ .Values.networkPolicies.enabled }}
  operatorNamespace: {{ .Release.Namespace | quote }}
watchNamespaces: {{ toJson .Values.watchNamespaces }}
queue:
  workers: {{ .Values.queue.workers | int }}
  resyncSeconds: {{ .Values.queue.resyncSeconds | int }}
  rollingServices: {{ .Values.queue.rollingServices | int }}
probes:
  port: 8081
metrics:
  port: 9090
logLevel: {{ .Values.logLevel }}
{{- end -}}
