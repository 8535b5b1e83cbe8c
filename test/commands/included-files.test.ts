/** `$INCLUDE`: what a zone file comes to, where its lines came from, and what is not read. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { ZoneText } from '../../src/commands/zone-text.ts'
import { ControlError } from '../../src/controlplane/model/errors.ts'
import { readChunks } from '../controlplane/zonefile/fixture.ts'

const head = '$TTL 300\n@ SOA ns1 hostmaster 1 1h 10m 14d 60\n'
type Test = Pick<typeof t, 'testdir'>

/** Reads `zone` of a folder as the commands do. Problems and warnings name files relative to the folder. */
async function read(
  t: Test,
  files: Readonly<Record<string, string>>,
  prepare: (folder: string) => void = () => {},
) {
  const folder = t.testdir()
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  prepare(folder)
  await using zone = await ZoneText.open(join(folder, 'zone'), 'example.test')
  const reading = await readChunks([await text(zone.read())])
  const problems = reading.problems.map((problem) => {
    const [, line, column, message] = /^(\d+):(\d+): (.*)$/s.exec(problem)!
    return { path: `line ${line}, column ${column}`, message: message! }
  })
  const told = problems.length === 0 ? [] : zone.problems(new ControlError('invalid', 'x', { problems }))
  const local = (lines: readonly string[]) =>
    lines.map((line) => line.replaceAll(`${folder}/`, '').replaceAll(folder, '.'))
  return {
    lines: reading.lines,
    problems: local(told),
    warnings: local(zone.warnings(reading.warnings)),
  }
}

t.test('origin and owner are behind it what they were', async (t) => {
  const { lines, problems } = await read(t, {
    zone:
      `${head}www A 192.0.2.1\n$INCLUDE "in side/a\\046db" sub ; comment\n AAAA ::1\nrel A 192.0.2.9\n` +
      '$ORIGIN deep\n$include b ; case\nlast A 192.0.2.7\n$INCLUDE (\n  b\n )\n TXT "own"\n',
    'in side/a.db':
      '\ufeff TXT "still www"\nx A 192.0.2.2\n$TTL 60\n$INCLUDE ../c other.example.test.\n TXT "x again"\n$ORIGIN far\ny A 192.0.2.3',
    c: '@ A 192.0.2.4\r\nz A 192.0.2.5\r\n',
    b: 'in-b MX (10 ; here\n m )\n',
  })
  t.same(problems, [])
  t.same(lines, [
    'www 300 A 192.0.2.1',
    'www 300 TXT "still www"',
    'x.sub 300 A 192.0.2.2',
    'other 60 A 192.0.2.4',
    'z.other 60 A 192.0.2.5',
    'x.sub 60 TXT "x again"',
    'y.far.sub 60 A 192.0.2.3',
    'www 60 AAAA ::1',
    'rel 60 A 192.0.2.9',
    'in-b.deep 60 MX 10 m.deep.example.test.',
    'last.deep 60 A 192.0.2.7',
    'in-b.deep 60 MX 10 m.deep.example.test.',
    'last.deep 60 TXT "own"',
  ])
})

t.test('problems and warnings have the file and line of what is included', async (t) => {
  const soa = '@ SOA ns1 hostmaster 1 1h 10m 14d 60\n'
  const { problems, warnings } = await read(t, {
    zone: `$TTL 300\n${soa}w A x\n$INCLUDE sub/bad\n   A y\n$INCLUDE none\n$INCLUDE\n$INCLUDE a b c\n$INCLUDE bad a..b\nv A z\n`,
    'sub/bad': `; first\n\nb A 192.0.2.300\n$INCLUDE ../open\n@ SOA other hostmaster 1 1h 10m 14d 60\n${soa}`,
    open: 'o TXT "fine"\no MX ( 10\nm A 1\n',
    bad: '',
  })
  t.same(problems, [
    'zone:3:5: w A: address: "x" is not an IPv4 address',
    'sub/bad:3:5: b A: address: "192.0.2.300" is not an IPv4 address',
    'open:2:6: a parenthesis is not closed',
    'sub/bad:5:1: @ SOA: a zone has one SOA, and there is one in zone:2',
    'zone:5:6: w A: address: "y" is not an IPv4 address',
    'zone:6:1: $INCLUDE: "none": there is no such file',
    'zone:7:1: $INCLUDE: it takes a file and perhaps an origin',
    'zone:8:1: $INCLUDE: it takes a file and perhaps an origin',
    'zone:9:1: $INCLUDE: name "a..b" has an empty label',
    'zone:10:5: v A: address: "z" is not an IPv4 address',
  ])
  t.match(warnings, [/^sub\/bad:6:1: warning: @ SOA: the SOA stands there again/])
})

t.test("an owner that $GENERATE made is nobody's", async (t) => {
  const { problems, lines } = await read(t, {
    zone: `${head}v A 192.0.2.8\n$GENERATE 1-2 h$ A 192.0.2.$\n$INCLUDE a\n  AAAA ::1\nw A 192.0.2.3\n TXT "w"\n`,
    a: 'a A 192.0.2.9\n',
  })
  t.same(problems, [])
  t.ok(lines.includes('v 300 AAAA ::1'), lines.join('\n'))
})

t.test('nothing is read but regular files inside the folder', async (t) => {
  const outside = t.testdir({ 'secret.zone': 'root TXT "secret"\n', inner: {} })
  const folder = join(outside, 'inner')
  writeFileSync(join(folder, 'fine'), 'fine TXT "x"\n')
  symlinkSync('../secret.zone', join(folder, 'link'))
  symlinkSync('..', join(folder, 'up'))
  symlinkSync('fine', join(folder, 'within'))
  symlinkSync('circle', join(folder, 'circle'))
  symlinkSync('/dev/zero', join(folder, 'zero'))
  mkdirSync(join(folder, 'dir'))
  execFileSync('mkfifo', [join(folder, 'fifo')])
  const names = [
    '../secret.zone',
    'link',
    'up/secret.zone',
    'dir/../../secret.zone',
    '/etc/hostname',
    '/dev/zero',
    'zero',
  ]
  const odd = ['dir', 'fifo', 'circle', 'fine/x', '""', 'a\\000b', '.']
  const text = `${head}$INCLUDE within\n$INCLUDE ${join(folder, 'fine')}\n${[...names, ...odd].map((name) => `$INCLUDE ${name}\n`).join('')}`
  writeFileSync(join(folder, 'zone'), text)
  await using zone = await ZoneText.open(join(folder, 'zone'), 'example.test')
  let written = ''
  for await (const chunk of zone.read()) written += chunk
  const lines = written.split('\n')
  t.equal(lines.filter((line) => line === 'fine TXT "x"').length, 2)
  t.notMatch(written, 'secret')
  const { problems } = await readChunks([written])
  t.equal(problems.length, names.length + odd.length)
  const found = problems.map((problem) => {
    const [, line, column, message] = /^(\d+):(\d+): (.*)$/s.exec(problem)!
    return { path: `line ${line}, column ${column}`, message: message! }
  })
  const told = zone.problems(new ControlError('invalid', 'x', { problems: found }))
  t.same(
    told.map((line) => line.replaceAll(outside, '')),
    [
      ...names.map(
        (name, index) =>
          `/inner/zone:${index + 5}:1: $INCLUDE: "${name.replace(outside, '')}" is outside of /inner, the folder of the zone file`,
      ),
      '/inner/zone:12:1: $INCLUDE: "dir" is no regular file',
      '/inner/zone:13:1: $INCLUDE: "fifo" is no regular file',
      '/inner/zone:14:1: $INCLUDE: "circle": its symbolic links lead in a circle',
      '/inner/zone:15:1: $INCLUDE: "fine/x": there is no such file',
      '/inner/zone:16:1: $INCLUDE: "" is no name of a file',
      '/inner/zone:17:1: $INCLUDE: "a\\u0000b" is no name of a file',
      '/inner/zone:18:1: $INCLUDE: "." is no regular file',
    ],
  )
})

t.test('how deep, how many, and in circles', async (t) => {
  const chain: Record<string, string> = { zone: `${head}$INCLUDE f1\n` }
  for (let depth = 1; depth <= 11; depth++)
    chain[`f${depth}`] = `h${depth} A 192.0.2.${depth}\n$INCLUDE f${depth + 1}\n`
  const deep = await read(t, chain)
  t.equal(deep.lines.length, 10)
  t.same(deep.problems, ['f10:2:1: $INCLUDE: files include files to a depth of 10, not deeper'])

  const circle = await read(t, {
    zone: `${head}$INCLUDE a\n`,
    a: '$INCLUDE b\n',
    b: '$INCLUDE zone\n$INCLUDE ./a\n$INCLUDE b\n',
  })
  t.same(circle.problems, [
    'b:1:1: $INCLUDE: "zone" includes itself',
    'b:2:1: $INCLUDE: "./a" includes itself',
    'b:3:1: $INCLUDE: "b" includes itself',
  ])

  const many = await read(t, { zone: `${head}${'$INCLUDE a\n'.repeat(1_002)}`, a: 'a A 192.0.2.1\n' })
  t.equal(many.lines.length, 1_000)
  t.same(
    many.problems,
    [1003, 1004].map((line) => `zone:${line}:1: $INCLUDE: a zone includes 1000 files at most`),
  )

  const large = await read(t, { zone: `${head}$INCLUDE a\n` }, (folder) => {
    execFileSync('truncate', ['-s', String(512 * 1024 * 1024 + 1), join(folder, 'a')])
  })
  t.same(large.problems, ['zone:3:1: $INCLUDE: a zone includes 536870912 octets at most'])
})

t.test('entries that do not end, and lines that are too long', async (t) => {
  const { problems } = await read(t, {
    zone: `${head}$INCLUDE long\nw TXT ( "open\n$INCLUDE a\nv A x\n`,
    long: `l TXT ${'x'.repeat(600_000)}\nm A y\n`,
    a: 'a A z\n',
  })
  t.same(problems, [
    'long:1:1: the line is longer than 524288 octets',
    'long:2:5: m A: address: "y" is not an IPv4 address',
    'zone:4:9: a quote is not closed',
    'a:1:5: a A: address: "z" is not an IPv4 address',
    'zone:6:5: v A: address: "x" is not an IPv4 address',
  ])
})
