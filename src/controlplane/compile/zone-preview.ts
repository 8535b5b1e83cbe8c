/** A zone as it would be, compiled out of the image that there is and what would be another one. */
import { ZoneCompiler } from '../../dataplane/image/compile.ts'
import { editZone, type ZoneEditor } from '../../dataplane/image/edit.ts'
import type { ZoneImage } from '../../dataplane/image/image.ts'
import { rdataOf, ttlOf } from '../../dataplane/image/image-contents.ts'
import { types } from '../../dataplane/wire/constants.ts'
import { hostnameToWire, lowerName, parseName } from '../../dataplane/wire/name.ts'
import { NameScan } from '../../dataplane/wire/name-scan.ts'
import { parseType } from '../../dataplane/wire/rdata.ts'
import type { CatalogZone } from '../catalog/catalog.ts'
import type { Rrset } from '../model/zone.ts'
import { type ServiceSlot, soaOf, wireRrset } from './zone-parts.ts'

export interface ZonePreview {
  readonly zone: CatalogZone
  readonly services: readonly ServiceSlot[]
  /** Whether it is compiled out of the image that there is; else out of nothing. */
  readonly isThere: boolean
  /** RRsets that would be others, and those that would be gone. */
  readonly changed: readonly Rrset[]
  readonly gone: readonly Pick<Rrset, 'owner' | 'type'>[]
}

/** @returns null when it can't be compiled */
export function compilePreview(preview: ZonePreview, image: ZoneImage | null): SharedArrayBuffer | null {
  const apex = hostnameToWire(preview.zone.apex)
  try {
    return compilerOf(preview, image, apex).finish()
  } catch {
    // What would be refused, or what this version can't read. Nobody waits for this image.
    return null
  }
}

function compilerOf(
  { zone, services, changed, gone }: ZonePreview,
  image: ZoneImage | null,
  apex: Uint8Array,
): ZoneEditor {
  const soa = soaOf(zone, apex)
  const owners = Map.groupBy([...changed, ...gone], ({ owner }) => owner)
  const names = Array.from(owners.keys(), (owner) => lowerName(parseName(owner, apex)))
  const compiler = image === null ? new ZoneCompiler(apex, soa) : editZone(image, apex, soa, names)
  if (image !== null) for (const [owner, others] of owners) addRest(compiler, apex, image, owner, others)
  for (const rrset of changed) compiler.add(wireRrset(rrset, zone, apex))
  for (const { name, slot } of services) compiler.addService(hostnameToWire(name), slot)
  return compiler
}

/** Of an owner, the RRsets of an image that stay as they are. */
function addRest(
  compiler: ZoneEditor,
  apex: Uint8Array,
  image: ZoneImage,
  owner: string,
  others: readonly { readonly type: string }[],
): void {
  const name = lowerName(parseName(owner, apex))
  const scan = new NameScan()
  scan.load(name, 0, name.length)
  const node = image.find(scan, 0)
  if (node < 0) return
  const left = new Set([types.soa, ...others.map(({ type }) => parseType(type))])
  for (let rrset = image.firstRrset(node); rrset < image.firstRrset(node) + image.rrsetCount(node); rrset++) {
    const type = image.type(rrset)
    if (left.has(type)) continue
    compiler.add({ owner: name, type, ttlSeconds: ttlOf(image, rrset), rdata: rdataOf(image, node, rrset) })
  }
}
