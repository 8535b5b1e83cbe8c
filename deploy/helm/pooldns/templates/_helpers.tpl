{{- define "pooldns.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a selector has; it can't be changed later. */}}
{{- define "pooldns.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pooldns.serverLabels" -}}
{{ include "pooldns.selectorLabels" . }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "pooldns.labels" -}}
{{ include "pooldns.selectorLabels" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "pooldns.image" -}}
{{- $repository := required "image.repository must say where the image is, such as registry.example.com/pooldns" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "pooldns.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "pooldns.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{- define "pooldns.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* Where DNS is answered, as POOLDNS_DNS_LISTEN takes it. */}}
{{- define "pooldns.dnsListen" -}}
{{- $listen := list -}}
{{- range .Values.dns.addresses -}}
{{- $listen = append $listen (printf (ternary "[%s]:%d" "%s:%d" (contains ":" .)) . (int $.Values.dns.port)) -}}
{{- end -}}
{{- join "," $listen -}}
{{- end -}}

{{/* Names by which HTTP is called in the cluster, and those of `settings`. */}}
{{- define "pooldns.httpHosts" -}}
{{- $name := printf "%s-http" (include "pooldns.fullname" .) -}}
{{- $ofNamespace := printf "%s.%s" $name .Release.Namespace -}}
{{- $hosts := list $name $ofNamespace (printf "%s.svc" $ofNamespace) (printf "%s.svc.cluster.local" $ofNamespace) -}}
{{- with .Values.settings.POOLDNS_HTTP_HOSTS }}{{ $hosts = append $hosts . }}{{ end -}}
{{- join "," $hosts -}}
{{- end -}}

{{/* Values that don't go together, each with the reason. */}}
{{- define "pooldns.check" -}}
{{- $one := and (eq .Values.kind "Deployment") (eq (int .Values.replicas) 1) -}}
{{- if and .Values.database.embedded (not $one) -}}
{{- fail "database.embedded: an embedded database is of one pod alone: set kind=Deployment and replicas=1, or use a PostgreSQL" -}}
{{- end -}}
{{- if and .Values.database.embedded (ne .Values.data.type "persistentVolumeClaim") -}}
{{- fail "database.embedded: its data would be gone with the pod: set data.type=persistentVolumeClaim" -}}
{{- end -}}
{{- if and (eq .Values.data.type "persistentVolumeClaim") (not $one) -}}
{{- fail "data.type=persistentVolumeClaim: a data directory is of one server alone: set kind=Deployment and replicas=1, or another data.type" -}}
{{- end -}}
{{- if and (eq .Values.data.type "hostPath") (ne .Values.kind "DaemonSet") -}}
{{- fail "data.type=hostPath: two pods on one node would share a data directory: set kind=DaemonSet" -}}
{{- end -}}
{{- if and .Values.hostNetwork .Values.hostPort.enabled (ne (int .Values.hostPort.port) (int .Values.dns.port)) -}}
{{- fail "hostPort.port: with hostNetwork it is dns.port; set that, and leave hostPort.enabled out" -}}
{{- end -}}
{{- if eq (int .Values.dns.port) (int .Values.http.port) -}}
{{- fail "dns.port and http.port are the same, and both are TCP" -}}
{{- end -}}
{{- if and .Values.secrets.externalSecret.enabled (not .Values.secrets.existingSecret) -}}
{{- fail "secrets.existingSecret: the Secret that externalSecret makes needs a name" -}}
{{- end -}}
{{- if and (not .Values.database.embedded) (not .Values.secrets.existingSecret) -}}
{{- fail "secrets.existingSecret must name the Secret with the URL of the database" -}}
{{- end -}}
{{- if and (or .Values.secrets.files .Values.secrets.environment) (not .Values.secrets.existingSecret) -}}
{{- fail "secrets.existingSecret must name the Secret with the keys of secrets.files and secrets.environment" -}}
{{- end -}}
{{- range $name, $_ := merge (dict) .Values.secrets.files .Values.secrets.environment -}}
{{- if hasKey $.Values.settings $name -}}
{{- fail (printf "%s is both a setting and a secret" $name) -}}
{{- end -}}
{{- if hasKey $.Values.settings (trimSuffix "_FILE" $name) -}}
{{- fail (printf "%s and %s are both set; one is enough" (trimSuffix "_FILE" $name) $name) -}}
{{- end -}}
{{- end -}}
{{- with .Values.networkPolicy.egress -}}
{{- if and .restricted (not $.Values.database.embedded) (not .database.to) (not .rules) -}}
{{- fail "networkPolicy.egress.restricted: the database would be out of reach: say where it is in networkPolicy.egress.database.to" -}}
{{- end -}}
{{- if and .members.to (not .members.ports) (not .members.udpPorts) -}}
{{- fail "networkPolicy.egress.members: say by which ports members are asked" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.database.authorities.configMap .Values.database.authorities.secret -}}
{{- fail "database.authorities: they come out of a ConfigMap or a Secret, not out of both" -}}
{{- end -}}
{{- if and .Values.migration.enabled (not .Values.database.embedded) (not .Values.migration.existingSecret) -}}
{{- fail "migration.existingSecret must name the Secret with the owner's URL of the database; or set migration.enabled=false" -}}
{{- end -}}
{{- end -}}
