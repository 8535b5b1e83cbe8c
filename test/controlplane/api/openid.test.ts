/** Signing in to the console by a real identity provider: who comes in, as whom, with which rights, and who does not. */
import { chromium } from 'playwright-core'
import t from 'tap'
import { request } from 'undici'
import type { ApiContext } from '../../../src/controlplane/api/context.ts'
import type { IdentityProvider } from '../../../src/controlplane/model/identity-provider.ts'
import { freePort } from '../../support/free-port.ts'
import { type StartedProvider, startIdentityProvider } from '../../support/identity-provider.ts'
import { patienceMs } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { findProgram, missingPrograms } from '../../support/program.ts'
import { type Harness, startHarness } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const minuteMs = 60_000
const beginPath = '/v1/session/openid'

interface Cookie {
  readonly value: string
  readonly path: string
}

/** As much of a browser as signing in needs: it follows redirects, keeps cookies, and says where requests come from. */
class Browser {
  /** By their names. */
  readonly cookies = new Map<string, Cookie>()

  cookiesFor(path: string): string {
    return [...this.cookies]
      .filter(([, cookie]) => path.startsWith(cookie.path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ')
  }

  /** Where it is sent; null for nowhere. */
  async visit(url: string): Promise<string | null> {
    const { headers, body } = await request(url, {
      headers: {
        cookie: this.cookiesFor(new URL(url).pathname),
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
      },
    })
    await body.dump()
    for (const line of [headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0|expires=Thu, 01 Jan 1970/i.test(line)) this.cookies.delete(name)
      else this.cookies.set(name, { value, path: /path=([^;]+)/i.exec(line)?.[1] ?? '/' })
    }
    return (headers.location as string | undefined) ?? null
  }

  /** Goes where it is sent until it comes to `end`, and no further; the URL of that. */
  async follow(start: string, end: (url: URL) => boolean): Promise<URL> {
    let url = new URL(start)
    for (let steps = 0; steps < 20 && !end(url); steps++) {
      const location = await this.visit(url.href)
      if (location === null) throw new Error(`${url.href} sends nowhere`)
      url = new URL(location, url)
    }
    return url
  }
}

const isConsole = (url: URL) => url.pathname === '/console'
const isCallback = (url: URL) => url.pathname === `${beginPath}/callback`

interface Ground extends AsyncDisposable {
  readonly harness: Harness
  readonly provider: StartedProvider
  /** What the page asks, with the cookies of a browser. */
  ask(browser: Browser, method: string, path: string, body?: unknown): ReturnType<Harness['call']>
}

const groups: IdentityProvider['groups'] = [
  { group: 'dns-admins', scopes: ['read', 'write', 'override'], limits: null },
  { group: 'web-team', scopes: ['read', 'override'], limits: { pools: ['web-*'] } },
]

interface Others extends Partial<ApiContext> {
  readonly groups?: IdentityProvider['groups']
  readonly method?: 'client_secret_basic' | 'client_secret_post'
}

async function start(
  settings: Partial<IdentityProvider> = {},
  { groups: given = groups, method, ...context }: Others = {},
): Promise<Ground> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const { clientSecret = 'secret of the client' } = settings
  const provider = await startIdentityProvider({
    id: 'pooldns',
    secret: clientSecret,
    redirectUri: `${origin}${beginPath}/callback`,
    ...(method === undefined ? {} : { method }),
  })
  const identityProvider: IdentityProvider = {
    issuer: provider.issuer,
    clientId: 'pooldns',
    clientSecret,
    title: 'Example',
    origin,
    scopes: ['email', 'profile', 'groups'],
    nameClaim: 'email',
    groupsClaim: 'groups',
    groups: given,
    ...settings,
  }
  const harness = await startHarness(await postgres.createDatabase(), { ...context, identityProvider }, port)
  return {
    harness,
    provider,
    ask: (browser, method, path, body) =>
      harness.call(method, path, body, {
        token: null,
        headers: {
          cookie: browser.cookiesFor(path),
          'pooldns-console': 'active',
          origin,
          'sec-fetch-site': 'same-origin',
        },
      }),
    [Symbol.asyncDispose]: async () => {
      await harness[Symbol.asyncDispose]()
      await provider[Symbol.asyncDispose]()
    },
  }
}

const ann = { sub: 'u-1', email: 'ann@example.test', groups: ['everybody', 'dns-admins'] }

async function signIn({ harness, provider }: Ground, person: typeof provider.state.person): Promise<Browser> {
  provider.state.person = person
  const browser = new Browser()
  const { search } = await browser.follow(`${harness.origin}${beginPath}`, isConsole)
  t.equal(search, '', 'signed in')
  return browser
}

/** Why nobody is signed in, as the page is told it. */
async function failure(
  { harness }: Ground,
  browser = new Browser(),
  path = beginPath,
): Promise<string | null> {
  const { searchParams } = await browser.follow(`${harness.origin}${path}`, isConsole)
  t.notOk(
    [...browser.cookies.keys()].some((name) => /^pooldns-session-\d+$/.test(name)),
    'no session',
  )
  return searchParams.get('sign-in')
}

t.test('people sign in by their provider', async (t) => {
  await using ground = await start()
  const { harness, provider, ask } = ground

  await t.test('which the page is told of', async (t) => {
    const { body } = await harness.call('GET', '/v1/sign-in', undefined, { token: null })
    const openid = { title: 'Example', url: `${harness.origin}${beginPath}` }
    t.same(body, { openid, session: false })
  })

  await t.test('and do under their names what their group may', async (t) => {
    const browser = await signIn(ground, ann)
    t.match((await ask(browser, 'GET', '/v1/sign-in')).body, { session: true })
    const { body } = await ask(browser, 'GET', '/v1/session')
    t.match(body, { actor: 'person:ann@example.test', scopes: ['read', 'write', 'override'], limits: null })
    t.equal(body.tokenExpiresAt, null)
    t.equal((await ask(browser, 'PUT', '/v1/monitors/m', { type: 'tcp', port: 80 })).status, 201)
    const audit = (await harness.call('GET', '/v1/audit?limit=1')).body.items[0]
    t.match(audit, { actor: 'person:ann@example.test', key: 'm' })
    const refused = await ask(browser, 'POST', '/v1/tokens', { name: 'mine' })
    t.match(refused, { status: 403, body: { detail: 'this needs the admin token' } })
    t.equal((await ask(browser, 'POST', '/v1/session')).status, 400, 'no session begins another')
    await ask(browser, 'DELETE', '/v1/session')
  })

  await t.test('within its limits', async (t) => {
    const browser = await signIn(ground, { sub: 'u-2', email: 'bob@example.test', groups: 'web-team' })
    t.match((await ask(browser, 'GET', '/v1/session')).body, { limits: { pools: ['web-*'] } })
    t.match(await ask(browser, 'GET', '/v1/pools/db'), {
      status: 403,
      body: { detail: 'person bob@example.test does not reach pool db' },
    })
    t.match(await ask(browser, 'PUT', '/v1/monitors/n', { type: 'tcp', port: 80 }), {
      status: 403,
      body: { detail: 'person bob@example.test lacks the scope write' },
    })
  })

  await t.test('until nobody was there for half an hour, and no longer than twelve hours', async (t) => {
    const at = Date.now()
    const browser = await signIn(ground, ann)
    harness.state.now = new Date(at + 31 * minuteMs)
    t.equal((await ask(browser, 'GET', '/v1/session')).status, 401)
    harness.state.now = null
    const looking = await signIn(ground, { ...ann, groups: ['web-team'] })
    harness.state.now = new Date(at + 13 * 60 * minuteMs)
    t.equal((await ask(looking, 'GET', '/v1/session')).status, 401)
    harness.state.now = null
  })

  await t.test('and not without a group that may do anything', async (t) => {
    provider.state.person = { ...ann, groups: ['everybody'] }
    t.equal(await failure(ground), 'rights')
    provider.state.person = { sub: 'u-3' }
    t.equal(await failure(ground), 'rights', 'nor with no word on groups')
    provider.state.person = { ...ann, groups: { 'dns-admins': true } }
    t.equal(await failure(ground), 'rights', 'nor with one of another shape')
    const line = await harness.logged(({ why }) => why === 'rights')
    t.match(line.detail, /^ann@example.test is in none of the groups/)
  })

  await t.test('nor when the provider refuses them', async (t) => {
    provider.state.person = null
    t.equal(await failure(ground), 'denied')
  })

  await t.test('names are one line of what can be read', async (t) => {
    const browser = await signIn(ground, { ...ann, email: ` a\u202eb\n\u0000c${'d'.repeat(300)}` })
    const { actor } = (await ask(browser, 'GET', '/v1/session')).body
    t.equal(actor, `person:a b c${'d'.repeat(115)}`)
    const nameless = await signIn(ground, { sub: 'u-4', groups: ['dns-admins'] })
    t.equal((await ask(nameless, 'GET', '/v1/session')).body.actor, 'person:u-4')
  })
})

t.test('a flow is good once, for who began it, for ten minutes', async (t) => {
  await using ground = await start()
  const { harness, provider } = ground
  provider.state.person = ann
  const begin = async () => {
    const browser = new Browser()
    return { browser, back: await browser.follow(`${harness.origin}${beginPath}`, isCallback) }
  }
  const { browser, back } = await begin()
  const path = back.pathname + back.search
  t.equal(await failure(ground, new Browser(), path), 'stale', 'of somebody else, who was sent the address')
  const other = await begin()
  t.equal(await failure(ground, other.browser, path), 'provider', 'with the state of another flow')
  t.equal((await browser.follow(back.href, isConsole)).search, '')
  browser.cookies.delete([...browser.cookies.keys()].find((name) => /^pooldns-session-\d+$/.test(name))!)
  t.equal(await failure(ground, browser, path), 'stale', 'a second time')
  const late = await begin()
  harness.state.now = new Date(Date.now() + 11 * minuteMs)
  t.equal(await failure(ground, late.browser, late.back.pathname + late.back.search), 'stale')
  harness.state.now = null
  const forged = await begin()
  const [name] = [...forged.browser.cookies.keys()].filter((each) => each.endsWith('-openid'))
  const cookie = forged.browser.cookies.get(name!)!
  forged.browser.cookies.set(name!, { ...cookie, value: `A${cookie.value.slice(1)}` })
  t.equal(await failure(ground, forged.browser, forged.back.pathname + forged.back.search), 'stale')
  const noCode = await begin()
  t.equal(await failure(ground, noCode.browser, `${beginPath}/callback`), 'provider', 'nothing in it')
})

t.test('a provider that is broken, and one that comes back', async (t) => {
  await using ground = await start()
  const { harness, provider } = ground
  provider.state.person = ann
  const breaks: readonly [RegExp, NonNullable<typeof provider.state.broken>][] = [
    [/./, (response) => void response.writeHead(500).end('sorry')],
    [/./, (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Hello</h1>')],
    [
      /issuer/,
      (response) =>
        void response.writeHead(200, { 'content-type': 'application/json' }).end(
          JSON.stringify({
            issuer: 'https://evil.example',
            authorization_endpoint: 'https://evil.example',
          }),
        ),
    ],
    [/fetch failed|other side closed|socket/, (response) => void response.destroy()],
  ]
  for (const [words, broken] of breaks) {
    provider.state.broken = broken
    const before = harness.lines.length
    t.equal(await failure(ground), 'provider')
    const line = harness.lines.slice(before).find(({ why }) => why === 'provider')
    t.match(line?.detail, words)
  }
  provider.state.broken = null
  const asked = provider.state.asked.length
  await signIn(ground, ann)
  await signIn(ground, ann)
  const discoveries = provider.state.asked.slice(asked).filter((path) => /well-known/.test(path))
  t.equal(discoveries.length, 1, 'what it offers is asked for once')
  // It goes away while the browser is there.
  const browser = new Browser()
  const back = await browser.follow(`${harness.origin}${beginPath}`, isCallback)
  provider.state.broken = (response) => void response.writeHead(503).end()
  t.equal(await failure(ground, browser, back.pathname + back.search), 'provider')
})

t.test('a client without a secret, and claims that are told to who asks for them', async (t) => {
  await using ground = await start({ clientSecret: null, nameClaim: 'preferred_username' })
  const { provider, ask } = ground
  provider.state.tells = 'when asked'
  const browser = await signIn(ground, { ...ann, preferred_username: 'ann' })
  t.match((await ask(browser, 'GET', '/v1/session')).body, {
    actor: 'person:ann',
    scopes: ['read', 'write', 'override'],
  })
})

t.test('groups within a claim, and everybody', async (t) => {
  await using ground = await start(
    { groupsClaim: 'realm_access.roles' },
    { groups: [...groups, { group: '*', scopes: ['read'], limits: null }] },
  )
  const { ask } = ground
  const admin = await signIn(ground, { ...ann, groups: [], realm_access: { roles: ['dns-admins'] } })
  t.match((await ask(admin, 'GET', '/v1/session')).body, { scopes: ['read', 'write', 'override'] })
  const guest = await signIn(ground, { sub: 'u-9', email: 'eve@example.test' })
  t.match((await ask(guest, 'GET', '/v1/session')).body, {
    actor: 'person:eve@example.test',
    scopes: ['read'],
  })
})

t.test(
  'claims within a claim of which the token has a part, and addresses that nobody has verified',
  async (t) => {
    await using ground = await start({ groupsClaim: 'realm_access.roles' })
    const { provider, ask } = ground
    provider.state.tells = 'some in the token'
    const browser = await signIn(ground, {
      ...ann,
      email_verified: false,
      realm_access: { roles: ['dns-admins'] },
    })
    t.match((await ask(browser, 'GET', '/v1/session')).body, {
      actor: 'person:u-1',
      scopes: ['read', 'write', 'override'],
    })
  },
)

for (const method of ['client_secret_basic', 'client_secret_post'] as const) {
  t.test(`a provider that takes ${method} alone, and a secret of all characters`, async (t) => {
    await using ground = await start({ clientSecret: 'a:b%c+d/e&f=g?' }, { method })
    const browser = await signIn(ground, ann)
    t.match((await ground.ask(browser, 'GET', '/v1/session')).body, { actor: 'person:ann@example.test' })
  })
}

t.test('rights end with the group in the settings', async (t) => {
  const mutable: IdentityProvider['groups'][number][] = [...groups]
  await using ground = await start({}, { groups: mutable })
  const { ask } = ground
  const browser = await signIn(ground, ann)
  mutable.shift()
  t.match(await ask(browser, 'GET', '/v1/session'), {
    status: 401,
    body: { detail: 'the group dns-admins may do nothing here any more' },
  })
})

t.test('in a browser', { skip: missingPrograms('chromium') }, async (t) => {
  await using ground = await start()
  const { harness, provider } = ground
  const browser = await chromium.launch({
    executablePath: findProgram('chromium')!,
    timeout: patienceMs,
    args: ['--no-sandbox'],
  })
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  page.setDefaultTimeout(patienceMs)
  page.on('pageerror', (error) => t.fail(`${error.name}: ${error.message}`))
  const signInWith = page.getByRole('link', { name: 'Sign in with Example' })

  provider.state.person = { ...ann, groups: [] }
  await page.goto(`${harness.origin}/console`)
  await signInWith.click()
  await page.getByRole('alert').filter({ hasText: 'none of your groups may do anything here' }).waitFor()
  t.equal(new URL(page.url()).search, '', 'the address can be opened again')

  provider.state.person = ann
  await signInWith.click()
  await page.getByText('person:ann@example.test').waitFor()
  t.match(page.url(), /\/console(#.*)?$/)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await signInWith.waitFor()
  await page.reload()
  await signInWith.waitFor()
})

t.test('a server without a provider', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  t.same((await harness.call('GET', '/v1/sign-in', undefined, { token: null })).body, {
    openid: null,
    session: false,
  })
  for (const path of [beginPath, `${beginPath}/callback`])
    t.equal((await harness.call('GET', path, undefined, { token: null })).status, 404)
})
