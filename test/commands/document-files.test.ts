/** What is wrong with files, told all at once, by file, line and column and in words for who wrote them. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { check } from '../../src/commands/document/check.ts'
import { documentsOf } from '../../src/commands/document/document-files.ts'

const folder = await mkdtemp(join(tmpdir(), 'pooldns-document-files-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

let count = 0
/** A folder of its own with these files. */
async function filesOf(files: Readonly<Record<string, string>>): Promise<string> {
  const own = join(folder, String(++count))
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(own, name)), { recursive: true })
    await writeFile(join(own, name), content)
  }
  return own
}

/** The lines that `check` refuses files with, their paths cut to what is below the folder. */
async function wrongIn(files: Readonly<Record<string, string>>): Promise<string[]> {
  const own = await filesOf(files)
  try {
    await check.run({}, { file: [own] })
    return []
  } catch (error) {
    return (error as Error).message.split('\n').map((line) => line.replaceAll(`${own}/`, ''))
  }
}

const soa = 'soa: { mname: ns1.a.test., rname: h.a.test. }'

t.test('files in folders of folders are read, in order, and others are named', async (t) => {
  const own = await filesOf({
    'b.yaml': 'pools: { b: { members: {} } }',
    'a/x.yml': 'pools: { ax: { members: {} } }',
    'a/deep/y.json': '{ "pools": { "ay": { "members": {} } } }',
    'notes.txt': 'pools:',
    '.git/config.yaml': 'nonsense: true',
  })
  await symlink(own, join(own, 'a', 'round'))
  const told: string[] = []
  t.capture(process.stderr, 'write', (text: string) => void told.push(text))
  const { document } = await documentsOf([own])
  t.same(Object.keys(document.pools as object), ['ay', 'ax', 'b'])
  t.same(told, [`not read, for only .yaml, .yml and .json are: ${join(own, 'notes.txt')}\n`])
  const empty = await filesOf({ 'sub/notes.md': '' })
  await t.rejects(documentsOf([empty]), { message: /has no files that end in/ })
})

t.test('all that can be judged is told at once', async (t) => {
  const wrong = await wrongIn({
    'x.yaml': `
pools:
  web: { monitr: x, members: { a: { address: 192.0.2.1 } } }
  eu: { monitor: nope, members: { a: { address: 192.0.2.2 } } }
services:
  www.a.test: { pools: [web, qq] }
  www.b.test: { pools: [eu] }
  x.c.test: { pools: [eu] }
zones:
  a.test:
    ${soa}
    rrsets:
      - { name: x, type: A, data: [192.0.2.300] }
      - { name: y, type: A, data: [192.0.2.3] }
      - { name: y, type: CNAME, data: [z] }
  c.test: { sao: 1 }
`,
  })
  const told = (part: string) =>
    t.ok(
      wrong.some((line) => line.includes(part)),
      `${part} in\n${wrong.join('\n')}`,
    )
  told('x.yaml:3:10: pools.web.monitr unknown field')
  told('x.yaml:4:9: pools.eu.monitor there is no monitor nope in these files')
  told('services["www.a.test"].pools[1] there is no pool qq')
  told('services["www.b.test"] service www.b.test lies in no zone')
  told('zones["a.test"].rrsets[0].data[0]')
  told('x.yaml:15:9: zones["a.test"].rrsets[2] y CNAME')
  told('zones["c.test"].sao unknown field')
  t.notOk(
    wrong.some((line) => /there is no pool web|x\.c\.test/.test(line)),
    `nothing is said of what can't be judged, in\n${wrong.join('\n')}`,
  )
})

t.test('a key that is there twice is named with both places, and hides nothing', async (t) => {
  t.same(
    await wrongIn({
      'x.yaml':
        'pools:\n  eu:\n    members:\n      a: { address: 192.0.2.1, address: 192.0.2.2 }\n    monitor: nope\n',
    }),
    [
      '2 problems:',
      'x.yaml:4:32: pools.eu.members.a.address is there twice, first at x.yaml:4:12',
      'x.yaml:5:5: pools.eu.monitor there is no monitor nope in these files',
      'What is not in these files may stand on the server, which is not asked here: "pooldns plan" asks it, and --partial leaves out what only it can know.',
    ],
  )
})

t.test('two spellings of one name', async (t) => {
  const zone = `zones: { b.test: { ${soa} } }\npools: { eu: { members: {} } }\n`
  const service = (name: string, ttl = 30) => `services:\n  ${name}: { ttl: ${ttl}, pools: [eu] }\n`
  t.same(
    await wrongIn({ '1.yaml': zone, '2.yaml': service('WWW.B.test.'), '3.yaml': service('www.b.test', 31) }),
    [
      'one problem:',
      '3.yaml:2:3: services["www.b.test"] is said otherwise at 2.yaml:2:3, as WWW.B.test., which is the same name',
    ],
  )
  t.same(
    await wrongIn({ '1.yaml': zone, '2.yaml': service('WWW.B.test.'), '3.yaml': service('www.b.test') }),
    [],
    'both say the same',
  )
  t.same(
    await wrongIn({ '1.yaml': `${zone}${service('WWW.B.test.')}  www.b.test: { ttl: 30, pools: [eu] }\n` }),
    [
      'one problem:',
      '1.yaml:5:3: services["www.b.test"] stands already at 1.yaml:4:3, as WWW.B.test., which is the same name',
    ],
  )
})

t.test('several documents in one file are read as several files', async (t) => {
  const own = await filesOf({
    'x.yaml': '---\npools: { a: { members: {} } }\n---\n---\npools:\n  b: { members: {} }\n',
  })
  const { document } = await documentsOf([own])
  t.same(Object.keys(document.pools as object), ['a', 'b'])
  t.same(
    await wrongIn({
      'x.yaml': 'pools: { a: { members: {} } }\n---\npools:\n  a: { minUp: 1, members: {} }\n',
    }),
    ['one problem:', 'x.yaml:4:3: pools.a is said otherwise at x.yaml:1:10'],
  )
})

t.test('names that YAML takes for numbers are refused, as keys and as values', async (t) => {
  t.same(
    await wrongIn({
      'x.yaml':
        'pools:\n  1.10: { members: {} }\n  eu:\n    members:\n      010: { address: 192.0.2.1 }\n      7: { address: 192.0.2.7 }\nservices:\n  w.a.test: { pools: [1.10] }\nzones:\n  a.test:\n    ' +
        `${soa}\n    rrsets:\n      - { name: 010, type: A, data: [192.0.2.1] }\n`,
    }),
    [
      '4 problems:',
      'x.yaml:2:3: pools has the key 1.10, which YAML takes for 1.1: put it in quotation marks',
      'x.yaml:5:7: pools.eu.members has the key 010, which YAML takes for 10: put it in quotation marks',
      'x.yaml:8:23: services["w.a.test"].pools[0] must be the name of a pool, or an object with pool or service, and others, not 1.1: put it in quotation marks (it is written 1.10)',
      'x.yaml:13:11: zones["a.test"].rrsets[0].name must be a string, not 10: put it in quotation marks (it is written 010)',
    ],
  )
})

t.test('top-level fields, merge keys and syntax in plain words', async (t) => {
  const [, ...wrong] = await wrongIn({
    '1.yaml': 'ownr: x\nvresion: 1\n',
    '2.yaml': 'pools:\n  a: &a { members: {} }\n  b: { <<: *a }\n',
    '3.yaml': 'pools:\n\ta: {}\n',
    '4.yaml': 'pools: [\n',
    '5.yaml': 'pools: a: b\n',
  })
  t.match(
    wrong[0],
    /^1\.yaml:1:1: ownr unknown field "ownr", known here: version, owner, .*; did you mean owner\?$/,
  )
  t.match(wrong[1], /^1\.yaml:2:1: vresion .*; did you mean version\?$/)
  t.match(wrong[2], /^2\.yaml:3:8: pools\.b has <<, and keys are not merged here/)
  t.match(wrong[3], /^3\.yaml:2:1: a tab at the beginning of the line: indent with blanks$/)
  t.match(wrong[4], /^4\.yaml:\d+:\d+: a \{ or \[ that is not closed/)
  t.match(wrong[5], /^5\.yaml:1:8: a second key on this line/)
})

t.test('owners that differ are told apart, and a head that is wrong hides nothing', async (t) => {
  const [, ...wrong] = await wrongIn({
    '1.yaml': 'owner: a\n',
    '2.yaml': 'owner: b\npools: { x: { monitr: 1, members: {} } }\n',
    '3.yaml': 'version: 7\nowner: a\n',
  })
  t.equal(wrong.length, 3, wrong.join('\n'))
  t.match(wrong.join('\n'), /2\.yaml:1:1: owner is owner b, and 1\.yaml is of owner a: apply them apart/)
  t.match(wrong.join('\n'), /3\.yaml:1:1: version is 7, which is newer/)
  t.match(wrong.join('\n'), /2\.yaml:2:15: pools\.x\.monitr/)
})

t.test('what is wrong with parts that the files do not name points at no file', async (t) => {
  const own = await filesOf({ 'x.yaml': 'owner: a\npools: { eu: { members: {} } }\n' })
  const documents = await documentsOf([own])
  const problems = [
    { path: 'services["w.a.test"]', message: 'service w.a.test lies in no zone' },
    { path: 'pools.eu.monitor', message: 'there is no monitor m' },
    { path: 'owner', message: 'is wrong' },
    { path: 'message', message: 'must be shorter' },
  ]
  t.same(
    documents.told(problems).map((line) => line.replaceAll(`${own}/`, '')),
    [
      'on the server: services["w.a.test"] service w.a.test lies in no zone',
      'x.yaml:2:10: pools.eu.monitor there is no monitor m',
      'x.yaml:1:1: owner is wrong',
      'message must be shorter',
    ],
  )
  t.same(
    problems.map((problem) => documents.isElsewhere(problem)),
    [true, false, false, false],
  )
})
