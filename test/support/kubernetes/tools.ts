/** Helm and kubectl in tests: what .ci/kubernetes-tools.mjs has fetched, else what is installed. */
import { execFile } from 'node:child_process'
import { accessSync, constants, globSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { repository } from '../daemon.ts'
import { findProgram } from '../program.ts'

const run = promisify(execFile)

/** What the tests have in common of all kinds of Kubernetes; the rest is checked by its schema. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  // biome-ignore lint/suspicious/noExplicitAny: it differs from kind to kind
  readonly spec?: any
  // biome-ignore lint/suspicious/noExplicitAny: of a ConfigMap or a Secret
  readonly [field: string]: any
}

function find(name: string): string | null {
  const [fetched] = globSync(join(repository, `node_modules/.cache/pooldns/kubernetes-tools-*/${name}`))
  if (fetched === undefined) return findProgram(name)
  accessSync(fetched, constants.X_OK)
  return fetched
}

export const helm = find('helm')
export const kubectl = find('kubectl')

const remedy = '`node .ci/kubernetes-tools.mjs` fetches it'
/** For tap's `skip`. */
export const withoutHelm = helm === null && `helm is not installed; ${remedy}`
export const withoutKubectl = kubectl === null && `kubectl is not installed; ${remedy}`

export const chart = join(repository, 'deploy/helm/pooldns')
export const release = { name: 'dns', namespace: 'name-service' } as const
/** The chart's one value without a default. */
export const image = { repository: 'registry.example.com/team/pooldns' } as const

export interface Rendering {
  /** Become a JSON file, so nothing has to be quoted. */
  readonly values?: Readonly<Record<string, unknown>>
  /** Default: the chart of the repository. */
  readonly folder?: string
  /** What the cluster is said to have. */
  readonly kubeVersion?: string
}

/** What `helm template` makes of the chart. @throws Error with what helm says */
export async function renderChart({ values = {}, folder = chart, kubeVersion }: Rendering = {}) {
  const args = ['template', release.name, folder, '--namespace', release.namespace]
  for (const [name, value] of Object.entries({ image, ...values }))
    args.push('--set-json', `${name}=${JSON.stringify(value)}`)
  if (kubeVersion !== undefined) args.push('--kube-version', kubeVersion)
  const home = await mkdtemp(join(tmpdir(), 'pooldns-helm-'))
  try {
    const env = { PATH: process.env.PATH, HOME: home }
    const { stdout } = await run(helm!, args, { env, maxBuffer: 16 << 20 })
    return manifestsOf(stdout)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/** What `kubectl kustomize` makes of a folder. @throws Error with what it says */
export async function buildKustomization(folder: string): Promise<Manifest[]> {
  const { stdout } = await run(kubectl!, ['kustomize', folder], { maxBuffer: 16 << 20 })
  return manifestsOf(stdout)
}

/** @throws Error of the first thing that is no YAML, such as a key that is there twice */
export function manifestsOf(text: string): Manifest[] {
  const documents = parseAllDocuments(text)
  if ('empty' in documents) return []
  return documents
    .map((document) => {
      const [error] = document.errors
      if (error !== undefined) throw new Error(`${error.message}\n${text}`)
      return document.toJS() as Manifest | null
    })
    .filter((manifest) => manifest !== null)
}
