/**
 * What a read has come to, and the octets that it is in a shared server: written and read by nodes of one version of this form, and
 * checked whole when it is read, because what a server gives may be cut, another's, or nothing of ours at all.
 *
 *     octets
 *     0..5   "pdnsc1"
 *     6..37  SHA-256 of all that follows
 *     38..41 length of the head, unsigned, big end first
 *     42..   the head, JSON: { key, lifeMs, etag, headers }; then the body
 *
 * The head repeats the key, so that what was read for one is never taken for another's.
 */
import { createHash } from 'node:crypto'

/** A reply without what differs from one request to the next. */
export interface Content {
  /** Header fields, their names in lower case; `content-type` among them. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** False for what is not to be kept, though others who ask for it just now may have it. */
  readonly keep?: false
}

export interface KeptContent extends Content {
  /** Of the body and its type, strong (RFC 9110, section 8.8.3), quotes included. */
  readonly etag: string
}

/** Octets of a body; a longer one is not kept, as it would push out too much else. */
export const largestContent = 4 * 1024 * 1024

const magic = Buffer.from('pdnsc1')
const sumAt = magic.length
const lengthAt = sumAt + 32
const headAt = lengthAt + 4

export function withEtag(content: Content): KeptContent {
  const hash = createHash('sha256')
    .update(content.headers['content-type'] ?? '')
    .update('\0')
    .update(content.body)
  return { ...content, etag: `"${hash.digest('base64url').slice(0, 22)}"` }
}

/** @param lifeMs after so long it is of no use any more, not even as a stale answer */
export function encodeContent(key: string, lifeMs: number, { headers, body, etag }: KeptContent): Buffer {
  const head = Buffer.from(JSON.stringify({ key, lifeMs, etag, headers }))
  const octets = Buffer.allocUnsafe(headAt + head.length + body.length)
  magic.copy(octets)
  octets.writeUInt32BE(head.length, lengthAt)
  head.copy(octets, headAt)
  body.copy(octets, headAt + head.length)
  sumOf(octets).copy(octets, sumAt)
  return octets
}

/** Null for what is not the content of this key, whole. */
export function decodeContent(
  key: string,
  octets: Buffer,
): { readonly content: KeptContent; readonly lifeMs: number } | null {
  if (octets.length < headAt || !octets.subarray(0, sumAt).equals(magic)) return null
  if (!octets.subarray(sumAt, lengthAt).equals(sumOf(octets))) return null
  const bodyAt = headAt + octets.readUInt32BE(lengthAt)
  // The sum has been right: what follows was written by us.
  const head = JSON.parse(octets.toString('utf8', headAt, bodyAt)) as Head
  if (head.key !== key) return null
  const { lifeMs, etag, headers } = head
  return { content: { headers, etag, body: octets.subarray(bodyAt) }, lifeMs }
}

interface Head {
  readonly key: string
  readonly lifeMs: number
  readonly etag: string
  readonly headers: Readonly<Record<string, string>>
}

const sumOf = (octets: Buffer): Buffer => createHash('sha256').update(octets.subarray(lengthAt)).digest()
