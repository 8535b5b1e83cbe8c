/** Files that a start begins with, changed on disk: what is read is what was written, or it is refused and told. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { readImages, writeImages } from '../../../src/controlplane/compile/image-files.ts'
import { parseDocument } from '../../../src/controlplane/document/yaml-text.ts'
import { SnapshotFiles } from '../../../src/controlplane/snapshot/snapshot.ts'
import { zoneImage } from '../../dataplane/zone-text.ts'
import { mutatedOctets } from '../mutations.ts'
import { corpus, type Target, targetOf } from '../target.ts'
import { servedZones } from '../world.ts'

const mark = { revision: 7, stamp: 'b5a0' }

/** One kind of file: where it lies, and what is read of it. */
interface Kind {
  readonly path: string
  /** Null when nothing could be used, which `told` says. */
  read(told: (message: string) => void): Promise<unknown>
}

async function makeSnapshot(folder: string): Promise<Kind> {
  const read = corpus('documents').map(parseDocument)
  const configuration = read.find((result) => result.ok)?.configuration
  if (configuration === undefined) throw new Error('no document of the corpus can be read')
  const { feeds, monitors, pools, services } = configuration
  const files = new SnapshotFiles(folder)
  const nothing = { pools: [], services: [] }
  const since = new Date(5)
  await files.writeBase(
    {
      ...mark,
      ...{ feeds, monitors, pools, services },
      overrides: [
        { pool: 'web-eu', member: 'fra-1', state: 'drain', until: null, reason: 'r', actor: 'admin', since },
      ],
      serviceOverrides: [],
      health: [{ pool: 'web-eu', member: 'fra-1', state: 'down', since, reason: 'status 503' }],
      lastKnown: { ipv4: { pools: [['web-eu', ['fra-1']]], services: [] }, ipv6: nothing, any: nothing },
      resolutions: [],
      births: new Map([['member web-eu/fra-1', 7]]),
      handedOut: [{ pool: 'web-eu', member: 'fra-1', ttlSeconds: 30, safeAt: null }],
    },
    new Date(0),
  )
  return { path: join(folder, 'snapshot', 'base.json'), read: (told) => files.read(told) }
}

async function makeImage(folder: string): Promise<Kind> {
  const directory = join(folder, 'zones')
  const [zone] = servedZones
  const held = {
    ...mark,
    zone: { apex: zone!.apex, soa: null, ttlSeconds: 300, slot: 0 },
    services: [],
    image: zoneImage(zone!),
  }
  // What of a zone is written down there is the catalog's, and comes back as it is.
  type Written = Parameters<typeof writeImages>[2][number]
  await writeImages(directory, '1', [held as unknown as Written], [], new AbortController().signal)
  const [name] = await readdir(directory)
  return {
    path: join(directory, name!),
    read: async (told) => {
      const { zones, damaged } = await readImages(directory, '1')
      for (const message of damaged) told(message)
      const [read] = zones
      return read === undefined ? null : { ...read, image: Buffer.from(new Uint8Array(read.image)) }
    },
  }
}

export async function storedFiles(): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-fuzz-'))
  const kinds = [await makeSnapshot(folder), await makeImage(folder)]
  const whole = await Promise.all(kinds.map(({ path }) => readFile(path)))
  const right = await Promise.all(kinds.map(({ read }) => read(() => undefined)))
  if (right.includes(null)) throw new Error('what was written can not be read')
  const pieces = [
    Buffer.of(0, 0, 0, 0),
    Buffer.of(0xff, 0xff, 0xff, 0xff),
    Buffer.from('"format":3'),
    Buffer.from('null'),
  ]
  const input = fc
    .nat(kinds.length - 1)
    .chain((kind) => mutatedOctets(fc.constant(whole[kind]!), pieces).map((octets) => ({ kind, octets })))
  return targetOf(
    100,
    input,
    async ({ kind, octets }) => {
      const { path, read } = kinds[kind]!
      await writeFile(path, octets)
      const told: string[] = []
      const found = await read((message) => told.push(message))
      if (found === null) return told.length > 0 ? null : 'nothing was read, and nothing told'
      return isDeepStrictEqual(found, right[kind]) ? null : 'a damaged file was read as another'
    },
    () => rm(folder, { recursive: true }),
  )
}
