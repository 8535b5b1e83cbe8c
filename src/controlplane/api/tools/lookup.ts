/**
 * The lookup tool: the IPv4 addresses of a name. What this daemon is authoritative for comes from the data plane
 * itself, everything else from the resolvers of the configuration.
 */
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { hostText } from '../../document/fields.ts'
import { ControlError } from '../../model/errors.ts'
import { askResolvers } from '../../resolving/lookup.ts'
import type { Tools } from '../context.ts'

/**
 * The name to look up: lower case, without the final dot, letters beyond ASCII as A-labels (RFC 5891). Throws
 * `invalid` for what is no host name; an address is none.
 */
export function parseLookupName(text: unknown): string {
  const refuse = (message: string) => {
    throw new ControlError('invalid', `domain ${message}`, { problems: [{ path: 'domain', message }] })
  }
  if (text === undefined || text === '') return refuse('is missing')
  if (typeof text !== 'string') return refuse('must be one text')
  // An IP literal would come back from the URL parser as an address of some spelling.
  const bare = text.replace(/\.$/, '').toLowerCase()
  if (isIP(bare) !== 0) return refuse('must be a name, not an address')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it tests for ASCII
  const name = /^[\x00-\x7f]*$/.test(bare) ? bare : domainToASCII(bare)
  return hostText(`${name}.`) === null ? refuse('must be a host name, such as www.example.test') : name
}

type LookupOutcome =
  | { readonly found: true; readonly addresses: readonly string[] }
  | { readonly found: false; readonly reason: string }

/** The addresses of a name that `parseLookupName` gave; never throws. */
export async function lookupAddresses(context: Tools, name: string): Promise<LookupOutcome> {
  const own = context.ownZones.lookupA(name)
  if (own.addresses.length > 0) return { found: true, addresses: own.addresses }
  if (own.leadsTo !== null) return resolve(context, own.leadsTo)
  return own.inZone
    ? { found: false, reason: `${name} has no IPv4 address in our zones` }
    : resolve(context, name)
}

async function resolve(context: Tools, name: string): Promise<LookupOutcome> {
  const asked = await askResolvers(context.resolvers, (resolver) => resolver.resolve4(name))
  switch (asked.kind) {
    case 'found':
      return { found: true, addresses: asked.value }
    case 'absent': {
      const state = asked.reason === 'NXDOMAIN' ? 'does not exist' : 'has no IPv4 address'
      return { found: false, reason: `${name} ${state}` }
    }
    case 'failed': {
      if (asked.reason === 'timeout') return { found: false, reason: 'the resolvers did not answer in time' }
      return { found: false, reason: `the resolvers could not resolve ${name} (${asked.reason})` }
    }
  }
}
