/**
 * Manifests against the schemas of Kubernetes, of the Prometheus Operator and of the External Secrets Operator, as the packages
 * `kubernetes-models` have them. Their JSON schemas tell what is missing or of another type. They let fields pass that do not exist, which
 * a cluster refuses or, worse, drops; the types of the same packages don't, so the compiler is asked as well.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { repository } from '../daemon.ts'
import type { Manifest } from './tools.ts'

const run = promisify(execFile)

/** Modules by the group of an `apiVersion`; the core has none. */
const packages: Readonly<Record<string, string>> = {
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator/',
  'external-secrets.io': '@kubernetes-models/external-secrets/',
}

const shortGroups = new Set(['', 'apps', 'batch', 'policy', 'autoscaling'])

function moduleOf({ apiVersion }: Manifest): string {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  const own = packages[group!]
  if (own !== undefined) return `${own}${group}/${version}`
  if (!shortGroups.has(group!) && !group!.endsWith('.k8s.io')) throw new Error(`no schemas for ${apiVersion}`)
  return `kubernetes-models/${group === '' ? '' : `${group}/`}${version}`
}

const nameOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata?.name}`

/** What is wrong with them, a line each. */
export async function schemaErrors(manifests: readonly Manifest[]): Promise<string[]> {
  const errors: string[] = []
  for (const manifest of manifests) {
    // The packages still have versions that no cluster has any more.
    if (/^(?:[a-z]+\/)?v\d+(?:alpha|beta)\d+$/.test(manifest.apiVersion))
      errors.push(`${nameOf(manifest)}: ${manifest.apiVersion} is no stable version`)
    const { [manifest.kind]: model } = await import(moduleOf(manifest)).catch(() => ({}))
    if (model === undefined) errors.push(`${nameOf(manifest)}: no such kind in ${manifest.apiVersion}`)
    else errors.push(...valueErrors(manifest, model))
  }
  return errors.length > 0 ? errors : await unknownFields(manifests)
}

function valueErrors(manifest: Manifest, model: new (data: Manifest) => { validate(): void }): string[] {
  try {
    new model(manifest).validate()
    return []
  } catch (error) {
    return [`${nameOf(manifest)}: ${(error as Error).message}`]
  }
}

async function unknownFields(manifests: readonly Manifest[]): Promise<string[]> {
  // Within the repository, for the modules to be found.
  const cache = join(repository, 'node_modules/.cache/pooldns')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'manifests-'))
  try {
    const files = manifests.map((manifest, index) => {
      const name = `${index}-${manifest.kind}-${manifest.metadata.name}.ts`
      const text = `import type { I${manifest.kind} } from '${moduleOf(manifest)}'\nexport const manifest: I${manifest.kind} = `
      return { name, text: `${text}${JSON.stringify(manifest, null, 1)}\n` }
    })
    await Promise.all(files.map(({ name, text }) => writeFile(join(folder, name), text)))
    const options =
      '--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --moduleDetection force --types node'
    const tsc = join(repository, 'node_modules/typescript/bin/tsc')
    const args = [tsc, ...options.split(' '), ...files.map(({ name }) => join(folder, name))]
    // Without what tap has every process load.
    const { NODE_OPTIONS: _, ...env } = process.env
    const { stdout } = await run(process.execPath, args, { env, cwd: folder }).catch((error) => error)
    return String(stdout)
      .split('\n')
      .filter((line) => /\berror TS/.test(line))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
