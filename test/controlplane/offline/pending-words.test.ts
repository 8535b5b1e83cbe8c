import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Catalog } from '../../../src/controlplane/catalog/catalog.ts'
import type { Override, ServiceOverride } from '../../../src/controlplane/model/override.ts'
import type { MemberWord, ServiceWord } from '../../../src/controlplane/model/pending-word.ts'
import { PendingWords } from '../../../src/controlplane/offline/pending-words.ts'
import { poolChoice, serviceDefaults } from '../model/defaults.ts'

const at = new Date('2026-01-02T03:04:05.678Z')
const said = {
  state: 'drain',
  until: new Date('2027-01-01T00:00:00Z'),
  reason: 'r',
  actor: 'admin',
  since: at,
} as const
const drain: Override = { pool: 'web', member: 'a', ...said }
const ofMember: MemberWord = { pool: 'web', member: 'a', override: drain, at, actor: 'admin', born: 7 }
const ended: MemberWord = { pool: 'web-*', member: '*', override: null, at, actor: 'token:ops', born: null }
const down: ServiceOverride = { service: 'www.example.test', ...said, state: 'down', until: null }
const ofService: ServiceWord = { service: 'www.example.test', override: down, at, actor: 'admin', born: 2 }

async function setUp(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-words-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'words.json')
  const open = async (onBad: (message: string) => unknown = (message) => t.fail(message)) => {
    const words = new PendingWords(path)
    await words.open((message) => void onBad(message))
    return words
  }
  return { path, open }
}

t.test('what was taken is there after a start, in the order in which it was said', async (t) => {
  const { open } = await setUp(t)
  const words = await open()
  t.equal(words.size, 0)
  await Promise.all([words.take(ended), words.take(ofService), words.take(ofMember)])
  t.same((await open()).all, [ended, ofService, ofMember])
  const later: MemberWord = { ...ended, override: { ...drain, pool: 'web-*', member: '*' } }
  await words.take(later)
  t.same((await open()).all, [ofService, ofMember, later])
  t.ok(words.has({ pool: 'web', member: 'a' }))
  await words.settle(ofMember)
  t.notOk(words.has({ pool: 'web', member: 'a' }))
  await words.settle(ended)
  t.same((await open()).all, [ofService, later], 'a word that took the place of another one stays')
})

t.test('they lie over a catalog', async (t) => {
  const words = await (await setUp(t)).open()
  const service = {
    name: 'www.example.test',
    ...serviceDefaults,
    choices: [poolChoice('web')],
    zone: 'example.test',
    override: null,
  }
  const catalog = new Catalog({
    revision: 3,
    monitors: new Map(),
    pools: new Map(),
    zones: new Map(),
    services: new Map([[service.name, service]]),
    overrides: new Map([['web-*/*', { ...drain, pool: 'web-*', member: '*' }]]),
  })
  t.equal(words.over(catalog), catalog)
  await words.take(ended)
  t.same(words.over(catalog).overrides, new Map())
  t.equal(words.over(catalog).services, catalog.services)
  await words.take(ofMember)
  await words.take(ofService)
  await words.take({ ...ofService, service: 'none.example.test' })
  const over = words.over(catalog)
  t.same([...over.overrides], [['web/a', { ...drain, pending: true }]])
  t.same([...over.services.values()], [{ ...service, override: { ...down, pending: true } }])
  t.equal(over.revision, 3)
  words.tell(ofMember, 4)
  t.ok(words.over(catalog).overrides.has('web/a'), 'a configuration of before the database was told')
  const { revision: _, ...parts } = catalog
  t.notOk(
    words.over(new Catalog({ ...parts, revision: 4 })).overrides.has('web/a'),
    'it has what became of it',
  )
  await words.take({ ...ofService, override: null })
  t.same([...words.over(over).services.values()], [service])
})

t.test('a file that can not be used is told and put aside', async (t) => {
  const { path, open } = await setUp(t)
  await (await open()).take(ofMember)
  const good = await readFile(path, 'utf8')
  for (const [text, message] of [
    ['', /can't be used/],
    [good.slice(0, -4), /can't be used/],
    [good.replace('drain', 'down'), /checksum is wrong/],
    [good.replace('"format":1', '"format":2'), /format is not 1/],
  ] as const) {
    await writeFile(path, text)
    const told: string[] = []
    t.equal((await open((reason) => told.push(reason))).size, 0)
    t.match(told, [message])
    t.equal(await readFile(`${path}.unusable`, 'utf8'), text)
    t.equal((await open()).size, 0)
  }
})

t.test('what can not be kept is not taken', async (t) => {
  const { path, open } = await setUp(t)
  const words = await open()
  await mkdir(`${path}.new`)
  await t.rejects(words.take(ofMember), { code: 'unavailable', message: /can't be kept on disk/ })
  t.equal(words.size, 0)
  await rm(`${path}.new`, { recursive: true })
  await words.take(ofMember)
  t.equal(words.size, 1)
})
