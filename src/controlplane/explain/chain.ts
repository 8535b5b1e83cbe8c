/**
 * By what whoever validates comes to believe an answer: the keys of the zone whose signatures it has, the DS of them in the zone above, the keys
 * of that, and so on up to the last zone that is served here. Keys and DS are those that are answered with now.
 */
import { types } from '../../dataplane/wire/constants.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { decodeSections } from '../dns-client/message.ts'
import { dnskeyOf, dsOf, keyTag } from '../dnssec/zone-key.ts'
import type { KeyDuties } from '../model/dnssec.ts'
import type { ExplainQuestion, LinkText } from './explanation.ts'

/** What a zone above has for one below it. */
export type DsAnswer = (question: ExplainQuestion) => { readonly message: Uint8Array }

/**
 * @param zone that signs, as zones have it
 * @param above the zone of ours that has what is asked of a name as DS; null for none
 */
export function chainOf(
  catalog: Catalog,
  zone: string,
  above: (name: string) => string | null,
  answer: DsAnswer,
  client: ExplainQuestion['client'],
): LinkText[] {
  const links: LinkText[] = []
  for (let apex: string | null = zone; apex !== null; ) {
    const { dnssec = null, keys = [] } = catalog.zones.get(apex) ?? {}
    if (dnssec === null) break
    const found = above(apex)
    const parent: string | null = found === apex ? null : found
    const ds = parent === null ? [] : dsIn(answer({ name: apex, type: 'DS', client }).message, apex)
    const shown = keys.map((key) => {
      const dnskey = dnskeyOf(key)
      const own = dsOf(apex!, dnskey)
      return {
        tag: keyTag(dnskey),
        algorithm: key.algorithm,
        role: roleOf(key.duties),
        published: key.duties.published,
        hasDs: parent === null ? null : ds.some((each) => Buffer.compare(each, own) === 0),
      }
    })
    links.push({ zone: apex, keys: shown, parent, ds: ds.map((each) => Buffer.from(each).readUInt16BE(0)) })
    apex = parent
  }
  return links
}

/** What a key does now: `csk` for all, `none` while it only stands there. */
function roleOf({ signsKeys, signsZone }: KeyDuties): LinkText['keys'][number]['role'] {
  if (signsKeys) return signsZone ? 'csk' : 'ksk'
  return signsZone ? 'zsk' : 'none'
}

function dsIn(message: Uint8Array, apex: string): Uint8Array[] {
  const name = hostnameToWire(apex)
  const { answers } = decodeSections(message)
  return answers
    .filter(({ owner, type }) => type === types.ds && Buffer.compare(owner, name) === 0)
    .map(({ rdata }) => rdata)
}
