/**
 * Whether the manifests of one installation hold together: what names another thing must name one that is there. No schema can tell, and a
 * cluster takes a Service that leads nowhere without a word.
 */
import { readConfig } from '../../../src/config.ts'
import type { Manifest } from './tools.ts'

type Labels = Readonly<Record<string, string>>

interface Port {
  readonly name: string
  readonly containerPort: number
  readonly protocol: string
}

/** What does not hold together, a line each. @param around names that are there already, such as Secrets */
export function disagreements(manifests: readonly Manifest[], around: readonly string[] = []): string[] {
  return [
    ...twice(manifests),
    ...rights(manifests),
    ...manifests.flatMap((each) => [
      ...selections(each, manifests),
      ...(podOf(each) === null ? [] : podErrors(each, manifests, around)),
    ]),
  ]
}

/** The template of a workload's pods, or the pod itself; null for everything else. */
// biome-ignore lint/suspicious/noExplicitAny: the schema has checked it
export function podOf({ kind, metadata, spec }: Manifest): { metadata: any; spec: any } | null {
  if (kind === 'Pod') return { metadata, spec }
  return ['Deployment', 'DaemonSet', 'Job'].includes(kind) ? spec.template : null
}

const called = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`

function twice(manifests: readonly Manifest[]): string[] {
  return repeated(manifests.map(called)).map((name) => `${name} is there twice`)
}

const repeated = (names: readonly string[]) => names.filter((name, index) => names.indexOf(name) !== index)

/** The server never calls Kubernetes. */
function rights(manifests: readonly Manifest[]): string[] {
  return manifests.filter(({ kind }) => /Role/.test(kind)).map((each) => `${called(each)} gives rights`)
}

const matches = (selector: Labels, labels: Labels = {}) =>
  Object.keys(selector).length > 0 &&
  Object.entries(selector).every(([name, value]) => labels[name] === value)

/** Services, budgets, policies and monitors, which find others by labels. */
function selections(manifest: Manifest, manifests: readonly Manifest[]): string[] {
  const { kind, spec } = manifest
  const servers = manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet')
  const others = manifests.filter(({ kind }) => kind === 'Job' || kind === 'Pod')
  const selector: Labels | undefined = {
    Service: spec?.selector,
    Deployment: spec?.selector?.matchLabels,
    DaemonSet: spec?.selector?.matchLabels,
    PodDisruptionBudget: spec?.selector?.matchLabels,
    NetworkPolicy: spec?.podSelector?.matchLabels,
  }[kind]
  if (kind === 'ServiceMonitor') return monitorErrors(manifest, manifests)
  if (selector === undefined) return []
  const isSelected = (each: Manifest) => matches(selector, podOf(each)!.metadata.labels)
  const wrong = others.filter(isSelected).map((other) => `${called(manifest)} selects ${called(other)}, too`)
  if (!servers.some(isSelected)) wrong.push(`${called(manifest)} selects no server`)
  const ports = servers.flatMap((server) => portsOf(podOf(server)!))
  if (kind === 'Service') wrong.push(...serviceErrors(manifest, ports))
  if (kind === 'NetworkPolicy')
    for (const { ports: named = [] } of spec.ingress)
      wrong.push(...portErrors(manifest, named, ports, 'port'))
  return wrong
}

function serviceErrors(service: Manifest, ports: readonly Port[]): string[] {
  return portErrors(service, service.spec.ports, ports, 'targetPort')
}

function portErrors(
  manifest: Manifest,
  named: readonly Readonly<Record<string, unknown>>[],
  ports: readonly Port[],
  field: string,
): string[] {
  return named
    .filter((each) => !ports.some(({ name, protocol }) => name === each[field] && protocol === each.protocol))
    .map((each) => `${called(manifest)}: no container has the port ${each[field]} over ${each.protocol}`)
}

function monitorErrors(monitor: Manifest, manifests: readonly Manifest[]): string[] {
  const services = manifests.filter(
    ({ kind, metadata }) => kind === 'Service' && matches(monitor.spec.selector.matchLabels, metadata.labels),
  )
  if (services.length !== 1) return [`${called(monitor)} selects ${services.length} services`]
  const names = services[0]!.spec.ports.map(({ name }: { name: string }) => name)
  const endpoints = monitor.spec.endpoints as readonly { port: string; honorLabels?: boolean }[]
  return [
    ...endpoints
      .filter(({ port }) => !names.includes(port))
      .map(({ port }) => `${called(monitor)}: the service has no port ${port}`),
    // The Operator calls the Service so, and our series a service of DNS.
    ...endpoints
      .filter(({ honorLabels }) => honorLabels !== true)
      .map(() => `${called(monitor)}: the label service of series is lost without honorLabels`),
  ]
}

const portsOf = (pod: { spec: { containers: { ports?: Port[] }[] } }) =>
  pod.spec.containers.flatMap(({ ports = [] }) => ports)

function podErrors(workload: Manifest, manifests: readonly Manifest[], around: readonly string[]): string[] {
  const { spec } = podOf(workload)!
  const wrong: string[] = []
  const there = (kind: string, name: string) =>
    around.includes(`${kind} ${name}`) || manifests.some((each) => called(each) === `${kind} ${name}`)
  const account = spec.serviceAccountName
  if (account !== undefined && !there('ServiceAccount', account)) wrong.push(`no ServiceAccount ${account}`)
  for (const volume of spec.volumes ?? []) {
    const claim = volume.persistentVolumeClaim?.claimName
    if (claim !== undefined && !there('PersistentVolumeClaim', claim))
      wrong.push(`no PersistentVolumeClaim ${claim}`)
    const secret = volume.secret?.secretName
    const made = manifests.some(({ kind, spec }) => kind === 'ExternalSecret' && spec.target.name === secret)
    if (secret !== undefined && !made && !there('Secret', secret)) wrong.push(`no Secret ${secret}`)
    const map = volume.configMap?.name
    if (map !== undefined && !there('ConfigMap', map)) wrong.push(`no ConfigMap ${map}`)
  }
  for (const { name } of spec.imagePullSecrets ?? [])
    if (!there('Secret', name)) wrong.push(`no Secret ${name}`)
  for (const name of repeated((spec.volumes ?? []).map(({ name }: { name: string }) => name)))
    wrong.push(`two volumes are called ${name}`)
  wrong.push(...safety(spec), ...spec.containers.flatMap((each: Container) => containerErrors(each, spec)))
  return wrong.map((each) => `${called(workload)}: ${each}`)
}

/** What lets a container do more than it needs. */
// biome-ignore lint/suspicious/noExplicitAny: the schema has checked it
function safety(spec: any): string[] {
  const wrong: string[] = []
  const { runAsNonRoot, runAsUser, seccompProfile } = spec.securityContext ?? {}
  if (runAsNonRoot !== true || runAsUser !== 1000) wrong.push('it may run as root')
  if (seccompProfile?.type !== 'RuntimeDefault') wrong.push('it may make every system call')
  if (spec.automountServiceAccountToken !== false) wrong.push('it is given a token of Kubernetes')
  if (spec.enableServiceLinks !== false) wrong.push('other services set variables of its environment')
  for (const { name, securityContext: limits, resources } of spec.containers) {
    const { readOnlyRootFilesystem, allowPrivilegeEscalation, capabilities } = limits ?? {}
    if (readOnlyRootFilesystem !== true) wrong.push(`${name} can write its root file system`)
    if (allowPrivilegeEscalation !== false) wrong.push(`${name} may gain rights`)
    if (capabilities?.drop?.join() !== 'ALL') wrong.push(`${name} keeps capabilities`)
    const low = spec.containers[0].ports?.some(({ containerPort }: Port) => containerPort < 1024)
    const allowed = low === true ? 'NET_BIND_SERVICE' : ''
    if ((capabilities?.add ?? []).join() !== allowed)
      wrong.push(`${name} has other capabilities than "${allowed}"`)
    if (resources?.limits?.memory === undefined) wrong.push(`${name} has no limit of memory`)
    if (resources?.requests?.cpu === undefined) wrong.push(`${name} asks for no processor`)
  }
  return wrong
}

/** Variables that name files or folders, which must come from somewhere. */
const namesFile = /_(?:FILE|DIR)$|^PGSSLROOTCERT$|^POOLDNS_(?:OPENID|LOCATION_DATABASES)$/

interface Volume {
  readonly name: string
  readonly secret?: { readonly items?: readonly { readonly path: string }[] }
  readonly configMap?: { readonly items?: readonly { readonly path: string }[] }
}

function fileErrors(path: string, mounts: readonly Mount[], volumes: readonly Volume[]): string[] {
  const mount = mounts.find(({ mountPath }) => `${path}/`.startsWith(`${mountPath}/`))
  if (mount === undefined) return [`${path} lies in no volume`]
  const volume = volumes.find(({ name }) => name === mount.name)
  const items = (volume?.secret ?? volume?.configMap)?.items
  const missing = items !== undefined && !items.some((item) => `${mount.mountPath}/${item.path}` === path)
  return missing ? [`the volume ${mount.name} has no ${path}`] : []
}

interface Mount {
  readonly name: string
  readonly mountPath: string
}

interface Container {
  readonly name: string
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly ports?: readonly Port[]
  readonly volumeMounts?: readonly Mount[]
  readonly [field: string]: unknown
}

// biome-ignore lint/suspicious/noExplicitAny: the schema has checked it
function containerErrors(container: Container, spec: any): string[] {
  const { name, args, env = [], ports = [], volumeMounts = [] } = container
  const wrong: string[] = []
  const volumes: string[] = (spec.volumes ?? []).map(({ name }: { name: string }) => name)
  // Kubernetes takes the last one of a name without a word.
  for (const variable of repeated(env.map(({ name }) => name)))
    wrong.push(`${name}: ${variable} is set twice`)
  for (const path of repeated(volumeMounts.map(({ mountPath }) => mountPath)))
    wrong.push(`${name} mounts two volumes at ${path}`)
  for (const mount of volumeMounts)
    if (!volumes.includes(mount.name))
      wrong.push(`${name} mounts the volume ${mount.name}, which is not there`)
  for (const path of env
    .filter(({ name }) => namesFile.test(name))
    .flatMap(({ value = '' }) => value.split(',')))
    wrong.push(...fileErrors(path, volumeMounts, spec.volumes ?? []).map((each) => `${name}: ${each}`))
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    const { httpGet } = (container[probe] ?? {}) as { httpGet?: { port: string } }
    if (httpGet !== undefined && !ports.some((port) => port.name === httpGet.port))
      wrong.push(`${name}: its ${probe} asks the port ${httpGet.port}, which is not there`)
  }
  if (args?.[0] === 'serve') wrong.push(...serverErrors(container, spec))
  return wrong
}

/** The daemon itself says what it makes of its environment. */
// biome-ignore lint/suspicious/noExplicitAny: the schema has checked it
function serverErrors({ name, env = [], ports = [], lifecycle }: Container, spec: any): string[] {
  const wrong: string[] = []
  const given = Object.fromEntries(env.map(({ name, value = '' }) => [name, value]))
  // Files that are nowhere here.
  const readable = Object.entries(given).filter(
    ([name]) => !name.endsWith('_FILE') && name !== 'POOLDNS_OPENID',
  )
  try {
    const config = readConfig([], Object.fromEntries(readable))
    const portOf = (wanted: string) => ports.find(({ name }) => name === wanted)?.containerPort
    for (const { port } of config.dnsListen)
      if (portOf('dns-udp') !== port || portOf('dns-tcp') !== port)
        wrong.push(`${name} answers DNS on port ${port}, which the container does not name`)
    if (portOf('http') !== config.httpListen.port)
      wrong.push(`${name} has HTTP on port ${config.httpListen.port}`)
  } catch (error) {
    wrong.push(`${name}: ${(error as Error).message}`)
  }
  const [, drain] = (lifecycle as { preStop: { exec: { command: string[] } } }).preStop.exec.command
  // The server has ten seconds.
  if (spec.terminationGracePeriodSeconds < Number(drain) + 10)
    wrong.push(`${name} is killed ${spec.terminationGracePeriodSeconds} s after its end begins`)
  return wrong
}
