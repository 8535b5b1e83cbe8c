/** The file that says who signs people in, and what is wrong with one. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readConfig } from '../src/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'pooldns-openid-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'openid.yaml')

function read(text: string, environment: Record<string, string> = {}) {
  writeFileSync(path, text)
  return readConfig([], { POOLDNS_OPENID: path, ...environment }).identityProvider
}

const least = `
issuer: https://login.example/realms/ops
clientId: pooldns
origin: https://dns.example
groups:
  - { group: dns-admins, scopes: [read, write] }
`

t.test('a file, and what goes without saying', async (t) => {
  t.same(read(least), {
    issuer: 'https://login.example/realms/ops',
    clientId: 'pooldns',
    clientSecret: null,
    title: 'single sign-on',
    origin: 'https://dns.example',
    scopes: ['profile', 'email'],
    nameClaim: 'email',
    groupsClaim: 'groups',
    groups: [{ group: 'dns-admins', scopes: ['read', 'write'], limits: null }],
  })
  t.equal(read(least, { POOLDNS_OPENID_SECRET: 'wood' })?.clientSecret, 'wood')
  const secretPath = join(folder, 'secret')
  writeFileSync(secretPath, 'stone\n')
  t.equal(read(least, { POOLDNS_OPENID_SECRET_FILE: secretPath })?.clientSecret, 'stone')
  for (const host of ['127.0.0.1:8080', 'localhost', '[::1]:8080'])
    t.ok(read(least.replace('https://login.example', `http://${host}`)), `http on ${host}`)
  t.match(
    read(`${least}  - { group: 'cn=web,dc=example', limits: { pools: ['web-*'] } }\n  - { group: '*' }`),
    {
      groups: [
        {},
        { group: 'cn=web,dc=example', scopes: ['read'], limits: { pools: ['web-*'] } },
        { group: '*' },
      ],
    },
  )
})

t.test('what is wrong is told with its place', async (t) => {
  const wrong: readonly [string, RegExp][] = [
    ['', /openid\.yaml:1:1: it must be an object with issuer, clientId, origin and groups/],
    ['issuer: [', /openid\.yaml:1:10/],
    [
      least.replace('issuer:', 'isuer:'),
      /:2:1: isuer: unknown field.*did you mean issuer\?[\s\S]*issuer: is required/,
    ],
    [least.replace('https://login', 'http://login'), /:2:1: issuer: must be an https URL/],
    [least.replace('https://login', 'https://user@login'), /issuer: must be/],
    [least.replace('/realms/ops', '/?realm=ops'), /issuer: must be/],
    [
      least.replace('https://dns.example', 'https://dns.example/'),
      /:4:1: origin: must be where browsers reach/,
    ],
    [least.replace('https://dns.example', 'dns.example'), /origin: must be/],
    [least.replace('[read, write]', '[admin]'), /:6:.*groups\[0\]\.scopes\[0\]: must be/],
    [least.replace('[read, write]', '[]'), /groups\[0\]\.scopes: must/],
    [least.replace(/ {2}- .*/, '  []'), /groups: must have at least 1/],
    [
      `${least}  - { group: '', limits: {} }`,
      /groups\[1\]\.group[\s\S]*groups\[1\]\.limits: must have patterns/,
    ],
    [`${least}clientSecret: wood`, /clientSecret: unknown field/],
    [`${least}scopes: ['two words']`, /scopes\[0\]: must be a scope of OAuth/],
    [least + '  - { group: a }\n'.repeat(100), /groups: must have at most 100/],
  ]
  for (const [text, words] of wrong) t.throws(() => read(text), words)
  t.throws(() => read(least, { POOLDNS_OPENID_SECRET: 'two words' }), /POOLDNS_OPENID_SECRET: \(not shown\)/)
  t.throws(
    () => readConfig([], { POOLDNS_OPENID: join(folder, 'none') }),
    /POOLDNS_OPENID: .*none can't be read/,
  )
  t.throws(() => readConfig([], { POOLDNS_OPENID: folder }), /can't be read/)
  t.throws(() => readConfig([], { POOLDNS_OPENID_SECRET: 'wood' }), /of no use without POOLDNS_OPENID/)
  t.throws(() => readConfig(['--openid-secret', 'wood'], {}), /would show a secret/)
  truncateSync(path, 300_000)
  t.throws(() => readConfig([], { POOLDNS_OPENID: path }), /more than 262144 octets/)
})
