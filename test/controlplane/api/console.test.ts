/** The console's files, and the sessions that it comes by: what they are good for, when they end, and for whom they are nothing. */
import { existsSync } from 'node:fs'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import t from 'tap'
import { endOf, SessionSeal } from '../../../src/controlplane/api/console/sealed-session.ts'
import { tokenScopes } from '../../../src/controlplane/model/token.ts'
import { createToken } from '../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../support/postgres.ts'
import { adminToken, type Harness, startHarness } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const minuteMs = 60_000
const hash = (octet: number) => new Uint8Array(32).fill(octet)
const seal = new SessionSeal(hash(1))
const at = Date.UTC(2027, 0, 31, 3)
const acting = { who: { token: 'secret' }, acts: true, secure: false, begunAt: at, usedAt: at }

t.test('a sealed session is opened by who has sealed it, under its name, until it ends', async (t) => {
  const text = seal.seal(acting, 'a')!
  t.notMatch(Buffer.from(text, 'base64url').toString('latin1'), /secret/)
  t.not(text, seal.seal(acting, 'a'), 'no two are alike')
  t.same(seal.open(text, 'a', at), acting)
  t.equal(seal.open(text, 'b', at), null, 'another name')
  t.equal(new SessionSeal(hash(2)).open(text, 'a', at), null, 'another admin token')
  t.equal(seal.open(text, 'a', at + 30 * minuteMs), null, 'nobody was there for half an hour')
  for (const wrong of [
    '',
    'x',
    text.slice(0, -2),
    `${text.slice(0, -1)}`,
    'A'.repeat(60),
    'A'.repeat(100_000),
  ]) {
    t.equal(seal.open(wrong, 'a', at), null)
  }
  for (let nth = 0; nth < text.length; nth += 7) {
    const other = text[nth] === 'A' ? 'B' : 'A'
    t.equal(seal.open(text.slice(0, nth) + other + text.slice(nth + 1), 'a', at), null, `character ${nth}`)
  }
  const used = { ...acting, usedAt: at + 11 * 60 * minuteMs + 50 * minuteMs }
  t.equal(endOf(used), at + 12 * 60 * minuteMs, 'twelve hours at the most')
  const looking = { ...acting, acts: false }
  t.equal(endOf(looking), at + 30 * 24 * 60 * minuteMs, 'a screen on the wall')
  const person = { ...looking, who: { person: 'ann', group: 'dns' } }
  t.equal(endOf(person), at + 12 * 60 * minuteMs, 'nobody tells us when somebody leaves')
  t.same(seal.open(seal.seal(person, 'a')!, 'a', at), person)
  t.equal(seal.seal({ ...acting, who: { token: 'x'.repeat(4000) } }, 'a'), null, 'too long for a cookie')
})

/** The name and value of a cookie that a reply sets, as a browser sends it back; and its attributes. */
function cookieOf(headers: Headers): { readonly pair: string; readonly rest: string } {
  const [pair = '', ...rest] = (headers.get('set-cookie') ?? '').split('; ')
  return { pair, rest: rest.join('; ') }
}

async function begin({ call, origin }: Harness, token = adminToken, headers = {}) {
  const reply = await call('POST', '/v1/session', undefined, { token, headers: { origin, ...headers } })
  return { reply, ...cookieOf(reply.headers) }
}

t.test('a session', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, origin, state, database } = harness
  const port = new URL(origin).port
  const field = { 'pooldns-console': 'active' }
  const by = (cookie: string, headers: Record<string, string> = {}) => ({
    token: null,
    headers: { cookie, ...field, ...headers },
  })
  state.now = new Date(at)

  await t.test('begins with a token, and is kept where no script can read it', async (t) => {
    const { reply, pair, rest } = await begin(harness)
    t.equal(reply.status, 200)
    t.match(reply.body, { actor: 'admin', scopes: [...tokenScopes], limits: null, tokenExpiresAt: null })
    t.equal(reply.body.endsAt, new Date(at + 30 * minuteMs).toISOString())
    t.match(pair, new RegExp(`^pooldns-session-${port}=[\\w-]{60,}$`))
    t.equal(rest, 'Path=/v1; HttpOnly; SameSite=Strict')
    t.equal(reply.headers.get('cache-control'), 'no-store')
    t.equal((await call('GET', '/v1/pools', undefined, by(pair))).status, 200)
    t.match((await call('GET', '/v1/session', undefined, by(`other=1; ${pair}; x=y`))).body, {
      actor: 'admin',
    })
    const put = await call('PUT', '/v1/monitors/m', { type: 'tcp', port: 80 }, by(pair, { origin }))
    t.equal(put.status, 201)
    const audit = (await call('GET', '/v1/audit?limit=1')).body.items[0]
    t.match(audit, { actor: 'admin', key: 'm' })
  })

  await t.test('is begun by nobody who is not known, nor by another session', async (t) => {
    for (const token of ['wrong', null]) {
      const reply = await call('POST', '/v1/session', undefined, { token, headers: { origin } })
      t.equal(reply.status, 401)
      t.equal(reply.headers.get('set-cookie'), null)
    }
    const { pair } = await begin(harness)
    const again = await call('POST', '/v1/session', undefined, by(pair, { origin }))
    t.equal(again.status, 400, 'or it would never end')
    t.equal(again.headers.get('set-cookie'), null)
  })

  await t.test('is nothing to a page of somebody else', async (t) => {
    const { pair } = await begin(harness)
    const without = { token: null, headers: { cookie: pair } }
    t.equal((await call('GET', '/v1/pools', undefined, without)).status, 401, 'a form or a picture: no field')
    const form = { token: null, headers: { cookie: pair, origin } }
    t.equal((await call('DELETE', '/v1/monitors/m', undefined, form)).status, 401)
    const silent = await call('DELETE', '/v1/monitors/m', undefined, by(pair))
    t.equal(silent.status, 401, 'a change of which no browser says where it comes from')
    const other = { origin: 'http://evil.example' }
    t.equal((await call('DELETE', '/v1/monitors/m', undefined, by(pair, other))).status, 403)
    for (const site of ['cross-site', 'same-site']) {
      const headers = { 'sec-fetch-site': site, 'sec-fetch-mode': 'cors' }
      t.equal((await call('GET', '/v1/pools', undefined, by(pair, headers))).status, 403, site)
    }
    const asking = {
      token: null,
      headers: { origin: 'http://evil.example', 'access-control-request-headers': 'pooldns-console' },
    }
    const preflight = await call('OPTIONS', '/v1/pools', undefined, asking)
    t.ok(preflight.status >= 400)
    t.equal(preflight.headers.get('access-control-allow-origin'), null)
    t.equal((await call('GET', '/v1/pools')).status, 200)
  })

  await t.test('is not asked for where a token comes itself', async (t) => {
    const { pair } = await begin(harness)
    const reply = await call('GET', '/v1/pools', undefined, {
      token: 'wrong',
      headers: { cookie: pair, ...field },
    })
    t.equal(reply.status, 401)
  })

  await t.test('goes on while somebody is at the page, and no longer', async (t) => {
    const { pair } = await begin(harness)
    const read = (cookie: string, presence: string) =>
      call('GET', '/v1/session', undefined, by(cookie, { 'pooldns-console': presence }))
    state.now = new Date(at + 30_000)
    t.equal((await read(pair, 'active')).headers.get('set-cookie'), null, 'once in a minute is enough')
    state.now = new Date(at + 20 * minuteMs)
    t.equal((await read(pair, 'idle')).headers.get('set-cookie'), null, 'what the page asks by itself')
    const renewed = cookieOf((await read(pair, 'active')).headers)
    t.equal(renewed.rest, 'Path=/v1; HttpOnly; SameSite=Strict')
    state.now = new Date(at + 40 * minuteMs)
    t.equal((await read(pair, 'active')).status, 401)
    t.equal((await read(renewed.pair, 'idle')).status, 200)
    state.now = new Date(at)
  })

  await t.test('over https never goes without, renewed or not', async (t) => {
    const host = `127.0.0.1:${port}`
    const { reply, pair, rest } = await begin(harness, adminToken, { origin: `https://${host}` })
    t.equal(reply.status, 200)
    t.match(rest, /; Secure$/)
    state.now = new Date(at + 2 * minuteMs)
    const renewed = await call('GET', '/v1/session', undefined, by(pair))
    t.match(cookieOf(renewed.headers).rest, /; Secure$/)
    state.now = new Date(at)
  })

  await t.test('may what its token may, as long as that is good', async (t) => {
    const secret = await database.record((tx) =>
      createToken(tx, 'wall', ['read'], { limits: { pools: ['web-*'] } }),
    )
    const { reply, pair } = await begin(harness, secret)
    t.match(reply.body, { actor: 'token:wall', scopes: ['read'], limits: { pools: ['web-*'] } })
    t.equal(reply.body.endsAt, new Date(at + 30 * 24 * 60 * minuteMs).toISOString())
    t.equal((await call('GET', '/v1/pools', undefined, by(pair))).status, 200)
    t.equal((await call('GET', '/v1/pools/api', undefined, by(pair))).status, 403)
    const put = await call('PUT', '/v1/pools/web-1', { members: {} }, by(pair, { origin }))
    t.equal(put.status, 403)
    t.equal((await call('DELETE', '/v1/tokens/wall')).status, 204)
    t.equal((await call('GET', '/v1/pools', undefined, by(pair))).status, 401, 'revoked')
  })

  await t.test('ends when one leaves', async (t) => {
    const { pair } = await begin(harness)
    const reply = await call('DELETE', '/v1/session', undefined, by(pair, { origin }))
    t.equal(reply.status, 204)
    t.same(cookieOf(reply.headers), {
      pair: `pooldns-session-${port}=`,
      rest: 'Path=/v1; HttpOnly; SameSite=Strict; Max-Age=0',
    })
  })

  await t.test('a token that no browser would keep is told', async (t) => {
    const token = 'x'.repeat(3100)
    await using other = await startHarness(await postgres.createDatabase(), {
      adminTokenHash: new Uint8Array(await crypto.subtle.digest('SHA-256', Buffer.from(token))),
    })
    const { reply } = await begin(other, token)
    t.match(reply, { status: 400, body: { detail: /too long/ } })
  })
})

t.test('the files are open, are what their names say, and run nothing of others', async (t) => {
  t.ok(existsSync(new URL('../../../dist/console/files.json', import.meta.url)), 'npm run console')
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, origin } = harness
  const raw = (path: string, headers: Record<string, string> = {}) => fetch(origin + path, { headers })
  const page = await raw('/console', { 'accept-encoding': 'identity' })
  const html = await page.text()
  t.equal(page.status, 200)
  t.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  t.equal(page.headers.get('cache-control'), 'no-cache')
  t.equal(page.headers.get('x-frame-options'), 'DENY')
  const policy = page.headers.get('content-security-policy')!
  for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"])
    t.ok(policy.includes(part), part)
  t.notMatch(policy, /unsafe|https?:|\*/)
  t.notMatch(html, /<script(?![^>]*\bsrc=)|<style|\bon\w+=/, 'nothing that the policy forbids')
  t.notMatch(html, /(?:src|href)="(?:https?:)?\/\//, 'nothing of others')
  t.equal(await (await raw('/console/')).text(), html)

  const tag = page.headers.get('etag')!
  const known = await raw('/console', { 'if-none-match': `"other", W/${tag}` })
  t.equal(known.status, 304)
  t.equal(await known.text(), '')
  t.equal((await raw('/console', { 'if-none-match': '"other"' })).status, 200)

  const paths = Array.from(html.matchAll(/(?:src|href)="([^"]+)"/g), ([, path]) => path!)
  t.ok(paths.length >= 3, paths.join(' '))
  for (const path of paths) {
    const plain = await raw(path, { 'accept-encoding': 'identity' })
    const body = Buffer.from(await plain.arrayBuffer())
    t.equal(plain.headers.get('content-encoding'), null)
    t.equal(plain.headers.get('cache-control'), 'public, max-age=31536000, immutable', path)
    t.equal(plain.headers.get('vary'), 'accept-encoding')
    for (const [accepted, coding, decode] of [
      ['gzip, deflate, br', 'br', brotliDecompressSync],
      ['gzip', 'gzip', gunzipSync],
    ] as const) {
      const reply = await call('HEAD', path, undefined, { headers: { 'accept-encoding': accepted } })
      t.equal(reply.headers.get('content-encoding'), coding, `${path} ${accepted}`)
      const text = await (await raw(path, { 'accept-encoding': accepted })).arrayBuffer()
      t.ok(body.equals(Buffer.from(text)) || body.equals(decode(Buffer.from(text))), 'the same')
    }
  }
  for (const path of ['/console/assets/none.js', '/console/assets/..%2Ffiles.json', '/console/files.json']) {
    t.equal((await call('GET', path)).status, 404, path)
  }
  t.equal((await call('POST', '/console')).status, 405)
})
