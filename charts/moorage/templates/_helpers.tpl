{{/* Name of the chart, cut so that suffixes fit into 63 characters. */}}
{{- define "moorage.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Prefix of the names of all objects. */}}
{{- define "moorage.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "moorage.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "moorage.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: selectors are immutable. Takes (dict "root" $ "component" "api"). */}}
{{- define "moorage.selectorLabels" -}}
app.kubernetes.io/name: {{ include "moorage.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of every object. Takes (dict "root" $ "component" "api"). */}}
{{- define "moorage.labels" -}}
{{ include "moorage.selectorLabels" . }}
app.kubernetes.io/part-of: moorage
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "moorage.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" "api"). */}}
{{- define "moorage.serviceAccountName" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- if $account.name -}}
{{ $account.name }}
{{- else if $account.create -}}
{{ include "moorage.fullname" .root }}-{{ .component }}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{- define "moorage.tlsSecretName" -}}
{{- if not (or .Values.tls.secretName .Values.tls.certManager.enabled) -}}
{{- fail "tls.secretName is empty: name the Secret (type kubernetes.io/tls) that the facade serves, or let cert-manager fill one with tls.certManager.enabled=true" -}}
{{- end -}}
{{- default (printf "%s-api-tls" (include "moorage.fullname" .)) .Values.tls.secretName -}}
{{- end -}}

{{- define "moorage.servicePort" -}}
{{- if .Values.api.service.port -}}
{{ .Values.api.service.port }}
{{- else -}}
{{ ternary 443 80 .Values.tls.enabled }}
{{- end -}}
{{- end -}}

{{/*
The text of one generated manifest (CRD or policies) with our labels, and annotations if there are any. The text is kept as it
is instead of being parsed and written again, because Helm turns large integers into floats on the way.
Takes (dict "root" $ "component" "crds" "text" … "annotations" (dict …)).
*/}}
{{- define "moorage.generated" -}}
{{- $extra := printf "\n  labels:\n%s" (include "moorage.labels" . | indent 4) -}}
{{- if .annotations -}}
{{- $extra = printf "%s\n  annotations:\n%s" $extra (toYaml .annotations | indent 4) -}}
{{- end -}}
{{- $text := regexReplaceAll "(?m)^metadata:\n  name: (\\S+)$" .text (printf "metadata:\n  name: ${1}%s" (replace "$" "$$" $extra)) -}}
{{- regexReplaceAll "(?m)^metadata: \\{name: ([^}]+)\\}$" $text (printf "metadata:\n  name: ${1}%s" (replace "$" "$$" $extra)) -}}
{{- end -}}

{{/* What PodSecurity "restricted" asks of a pod. */}}
{{- define "moorage.podSecurityContext" -}}
runAsNonRoot: true
{{- if .Values.runAsUser }}
runAsUser: {{ .Values.runAsUser }}
runAsGroup: {{ .Values.runAsUser }}
fsGroup: {{ .Values.runAsUser }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "moorage.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Environment of every container. Takes (dict "root" $). */}}
{{- define "moorage.env" -}}
- name: MOORAGE_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: MOORAGE_LOG_LEVEL
  value: {{ .root.Values.logLevel | quote }}
- name: MOORAGE_METRICS_PORT
  value: {{ .root.Values.metrics.port | int | quote }}
- name: MOORAGE_RETENTION_DAYS
  value: {{ .root.Values.retention.days | int | quote }}
{{- end -}}

{{/*
The credentials of the pod, mounted by hand: automatic mounting is off for account and pods, so that nothing else that is put
into a pod (a sidecar, an ephemeral container) gets the token without asking for it. The kubelet rotates it all the same.
*/}}
{{- /* Without a group that owns the files (fsGroup goes with runAsUser) only everybody can read them. */ -}}
{{- define "moorage.fileMode" -}}
{{ ternary "0440" "0444" (not (empty .Values.runAsUser)) }}
{{- end -}}

{{- define "moorage.credentialsVolume" -}}
- name: credentials
  projected:
    defaultMode: {{ include "moorage.fileMode" . }}
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3607}
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
      - downwardAPI:
          items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]
- name: tmp
  emptyDir: {sizeLimit: 16Mi}
{{- end -}}

{{- define "moorage.credentialsMounts" -}}
- {name: credentials, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end -}}

{{/* Where pods may run. Takes (dict "root" $ "component" "api"). */}}
{{- define "moorage.scheduling" -}}
{{- $values := index .root.Values .component -}}
{{- $selector := include "moorage.selectorLabels" . -}}
{{- if $values.priorityClassName }}
priorityClassName: {{ $values.priorityClassName }}
{{- else if .root.Values.priorityClass.create }}
priorityClassName: {{ include "moorage.fullname" .root }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- if $values.topologySpreadConstraints }}
  {{- range $values.topologySpreadConstraints }}
  {{- $constraint := deepCopy . }}
  {{- if not $constraint.labelSelector }}
  {{- $_ := set $constraint "labelSelector" (dict "matchLabels" (fromYaml $selector)) }}
  {{- end }}
  - {{- toYaml $constraint | nindent 4 }}
  {{- end }}
  {{- else }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
  {{- end }}
{{- $own := dict -}}
{{- if eq $values.antiAffinity "hard" -}}
{{- $own = dict "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list (dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (fromYaml $selector))))) -}}
{{- else if eq $values.antiAffinity "soft" -}}
{{- $own = dict "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "podAffinityTerm" (dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (fromYaml $selector)))))) -}}
{{- end -}}
{{- with mergeOverwrite $own (deepCopy $values.affinity) }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "moorage.egressToDns" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* Out of a pod: the API server, whose address pods have in their environment, and nothing else. */}}
{{- define "moorage.egress" -}}
{{- if .Values.networkPolicy.dns -}}
{{ include "moorage.egressToDns" . }}
{{ end -}}
- ports:
    {{- range .Values.networkPolicy.apiServer.ports }}
    - {protocol: TCP, port: {{ . | int }}}
    {{- end }}
  {{- with .Values.networkPolicy.apiServer.cidrs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* Into the metrics port. */}}
{{- define "moorage.metricsIngress" -}}
{{- with .Values.networkPolicy.metricsFrom -}}
- ports: [{protocol: TCP, port: metrics}]
  from:
    {{- toYaml . | nindent 4 }}
{{- end -}}
{{- end -}}
