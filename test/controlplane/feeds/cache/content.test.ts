import fc from 'fast-check'
import t from 'tap'
import { decodeContent, encodeContent, withEtag } from '../../../../src/controlplane/feeds/cache/content.ts'

const content = withEtag({ headers: { 'content-type': 'text/csv' }, body: Buffer.from('a,b\n1,2\n') })

t.test('what was kept is read back', async (t) => {
  const octets = encodeContent('db/key', 30_000, content)
  const read = decodeContent('db/key', octets)
  t.same(read, { content, lifeMs: 30_000 })
  t.equal(decodeContent('db/other', octets), null, 'what was read for one is never taken for another')
})

t.test('a tag is of the body and its type', async (t) => {
  const json = withEtag({ ...content, headers: { 'content-type': 'application/json' } })
  t.match(content.etag, /^"[\w-]{22}"$/)
  t.not(json.etag, content.etag)
  t.equal(withEtag({ headers: content.headers, body: Buffer.from('a,b\n1,2\n') }).etag, content.etag)
})

t.test('nothing that was cut or changed is taken for content', async (t) => {
  const octets = encodeContent('k', 1, content)
  for (let length = 0; length < octets.length; length++) {
    t.equal(decodeContent('k', octets.subarray(0, length)), null, `${length} octets of ${octets.length}`)
  }
  for (let at = 0; at < octets.length; at++) {
    const changed = Buffer.from(octets)
    changed[at]! ^= 1
    t.equal(decodeContent('k', changed), null, `octet ${at} changed`)
  }
  t.equal(decodeContent('k', Buffer.concat([octets, Buffer.from('x')])), null, 'more than was written')
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      (random) => decodeContent('k', Buffer.from(random)) === null,
    ),
  )
})
