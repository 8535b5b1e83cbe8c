{{/* The pod of the server, for a Deployment and a DaemonSet. */}}
{{- define "pooldns.podTemplate" -}}
{{- $privileged := lt (int .Values.dns.port) 1024 -}}
metadata:
  labels:
    {{- include "pooldns.serverLabels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "pooldns.serviceAccountName" . }}
  automountServiceAccountToken: false
  # Their variables would begin like the server's own.
  enableServiceLinks: false
  {{- if .Values.hostNetwork }}
  hostNetwork: true
  # Else names of the cluster would not be found.
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "pooldns.podSecurityContext" . | nindent 4 }}
  # The time to drain, and the server's own ten seconds.
  terminationGracePeriodSeconds: {{ add (int .Values.drainSeconds) 15 }}
  containers:
    - name: pooldns
      image: {{ include "pooldns.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      {{- if $privileged }}
      # Hands the right to open this port on to a user who is not root.
      command: [bind-low-ports, --inh-caps=+net_bind_service, --ambient-caps=+net_bind_service, node, /app/dist/src/main.js]
      {{- end }}
      args: [serve]
      ports:
        - name: dns-udp
          containerPort: {{ .Values.dns.port }}
          protocol: UDP
          {{- if and .Values.hostPort.enabled (not .Values.hostNetwork) }}
          hostPort: {{ .Values.hostPort.port }}
          {{- end }}
        - name: dns-tcp
          containerPort: {{ .Values.dns.port }}
          protocol: TCP
          {{- if and .Values.hostPort.enabled (not .Values.hostNetwork) }}
          hostPort: {{ .Values.hostPort.port }}
          {{- end }}
        - name: http
          containerPort: {{ .Values.http.port }}
          protocol: TCP
      env:
        {{- include "pooldns.env" . | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
          {{- if $privileged }}
          add: [NET_BIND_SERVICE]
          {{- end }}
      # Until DNS is answered. A server whose database is away waits for it.
      startupProbe:
        httpGet: { path: /health, port: http }
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: {{ div (add (int .Values.startupSeconds) 1) 2 }}
      # The server replaces what hangs in it by itself, and HTTP is away for a moment then: only what lasts is for Kubernetes.
      livenessProbe:
        httpGet: { path: /health, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      # A database that goes away later does not make it fail.
      readinessProbe:
        httpGet: { path: /ready, port: http }
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 3
      lifecycle:
        preStop:
          # It answers all the while: queries still come until everybody has heard that it goes.
          exec: { command: [sleep, {{ .Values.drainSeconds | quote }}] }
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - { name: data, mountPath: /var/lib/pooldns }
        - { name: tmp, mountPath: /tmp }
        {{- if .Values.secrets.existingSecret }}
        - { name: secrets, mountPath: /etc/pooldns/secrets, readOnly: true }
        {{- end }}
        {{- include "pooldns.authoritiesMount" . | nindent 8 }}
        {{- if .Values.certificates.existingSecret }}
        - { name: certificates, mountPath: /etc/pooldns/certificates, readOnly: true }
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: data
      {{- if eq .Values.data.type "emptyDir" }}
      emptyDir: { sizeLimit: {{ .Values.data.sizeLimit }} }
      {{- else if eq .Values.data.type "hostPath" }}
      hostPath: { path: {{ .Values.data.hostPath }}, type: Directory }
      {{- else }}
      persistentVolumeClaim: { claimName: {{ default (include "pooldns.fullname" .) .Values.data.existingClaim }} }
      {{- end }}
    - name: tmp
      emptyDir: { medium: Memory, sizeLimit: 64Mi }
    {{- if .Values.secrets.existingSecret }}
    - name: secrets
      secret:
        secretName: {{ .Values.secrets.existingSecret }}
        # 0440, in a way that every reader of YAML reads alike.
        defaultMode: 288
        items:
          {{- if not .Values.database.embedded }}
          - { key: {{ .Values.secrets.databaseUrlKey }}, path: database-url }
          {{- end }}
          - { key: {{ .Values.secrets.adminTokenKey }}, path: admin-token }
          {{- range $key := .Values.secrets.files }}
          - { key: {{ $key }}, path: {{ $key }} }
          {{- end }}
    {{- end }}
    {{- include "pooldns.authoritiesVolume" . | nindent 4 }}
    {{- with .Values.certificates.existingSecret }}
    - name: certificates
      secret: { secretName: {{ . }}, defaultMode: 288 }
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if .Values.topologySpread.enabled }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: {{ .Values.topologySpread.zones }}
      labelSelector: { matchLabels: { {{- include "pooldns.serverLabels" . | replace "\n" ", " -}} } }
      # Those of an older version are going.
      {{- if eq .Values.kind "Deployment" }}
      matchLabelKeys: [pod-template-hash]
      {{- end }}
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: {{ .Values.topologySpread.nodes }}
      labelSelector: { matchLabels: { {{- include "pooldns.serverLabels" . | replace "\n" ", " -}} } }
      {{- if eq .Values.kind "Deployment" }}
      matchLabelKeys: [pod-template-hash]
      {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
{{- end -}}

{{/* Variables of docs/configuration.md: those that follow from the chart's values, then those of `settings`. */}}
{{- define "pooldns.env" -}}
# A folder of the server's own below the volume, which belongs to root.
- { name: POOLDNS_DATA_DIR, value: /var/lib/pooldns/data }
{{- $listen := include "pooldns.dnsListen" . }}
{{- /* That is what it does by itself, and bears that there is no IPv6. */}}
{{- if ne $listen "0.0.0.0:9999,[::]:9999" }}
- { name: POOLDNS_DNS_LISTEN, value: {{ $listen | quote }} }
{{- end }}
- { name: POOLDNS_HTTP_LISTEN, value: {{ printf (ternary "[%s]:%d" "%s:%d" (contains ":" .Values.http.address)) .Values.http.address (int .Values.http.port) | quote }} }
- { name: POOLDNS_HTTP_HOSTS, value: {{ include "pooldns.httpHosts" . | quote }} }
- { name: POOLDNS_WORKERS, value: {{ .Values.workers | quote }} }
{{- if not .Values.database.embedded }}
- { name: DATABASE_URL_FILE, value: /etc/pooldns/secrets/database-url }
{{- include "pooldns.authoritiesEnv" . }}
{{- end }}
{{- if .Values.secrets.existingSecret }}
- { name: POOLDNS_ADMIN_TOKEN_FILE, value: /etc/pooldns/secrets/admin-token }
{{- range $name, $key := .Values.secrets.files }}
- { name: {{ $name }}, value: /etc/pooldns/secrets/{{ $key }} }
{{- end }}
{{- range $name, $key := .Values.secrets.environment }}
- { name: {{ $name }}, valueFrom: { secretKeyRef: { name: {{ $.Values.secrets.existingSecret }}, key: {{ $key }} } } }
{{- end }}
{{- end }}
{{- if .Values.certificates.existingSecret }}
- { name: POOLDNS_CERTIFICATE_DIR, value: /etc/pooldns/certificates }
{{- end }}
{{- range $name, $value := omit .Values.settings "POOLDNS_HTTP_HOSTS" }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end -}}

{{/* Of a database whose certificate is of an authority of its own: for the server, and for who migrates. */}}
{{- define "pooldns.authoritiesEnv" -}}
{{- if or .Values.database.authorities.configMap .Values.database.authorities.secret }}
- { name: PGSSLROOTCERT, value: /etc/pooldns/authorities/ca.pem }
{{- end }}
{{- end -}}

{{- define "pooldns.authoritiesMount" -}}
{{- if or .Values.database.authorities.configMap .Values.database.authorities.secret }}
- { name: authorities, mountPath: /etc/pooldns/authorities, readOnly: true }
{{- end }}
{{- end -}}

{{- define "pooldns.authoritiesVolume" -}}
{{- with .Values.database.authorities }}
{{- if .configMap }}
- name: authorities
  configMap: { name: {{ .configMap }}, items: [{ key: {{ .key }}, path: ca.pem }] }
{{- else if .secret }}
- name: authorities
  secret: { secretName: {{ .secret }}, defaultMode: 288, items: [{ key: {{ .key }}, path: ca.pem }] }
{{- end }}
{{- end }}
{{- end -}}
