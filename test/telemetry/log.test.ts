import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import t from 'tap'
import { createLog, maskPasswords } from '../../src/telemetry/log.ts'

function collect(level: 'info' | 'warn' = 'info') {
  const lines: Record<string, unknown>[] = []
  return { lines, log: createLog(level, { write: (text) => lines.push(JSON.parse(text)) }) }
}

t.test('JSON lines with level, time and message', async (t) => {
  const { lines, log } = collect()
  log.info({ dns: '127.0.0.1:9999' }, 'ready')
  log.debug('not shown')
  t.equal(lines.length, 1)
  t.match(lines[0], { level: 'info', msg: 'ready', dns: '127.0.0.1:9999' })
  t.match(lines[0]!.time, /^\d{4}-\d\d-\d\dT.*Z$/)
  const quiet = collect('warn')
  quiet.log.info('no')
  t.same(quiet.lines, [])
})

t.test('secrets stay out of every line', async (t) => {
  const { lines, log } = collect()
  log.info(
    { token: 'hush', headers: { authorization: 'Bearer hush' }, config: { db: { password: 'hush' } } },
    'x',
  )
  log.error({
    err: new Error('connect postgres://me:hush@db:5432/x failed', { cause: new Error('redis://:hush@h') }),
  })
  log.error({ err: 'postgres://me:hush@db/x' })
  t.notMatch(JSON.stringify(lines), /hush/)
  t.match(JSON.stringify(lines[1]), /postgres:\/\/me:\[secret\]@db:5432/)
})

t.test('errors keep type, code and causes', async (t) => {
  const { lines, log } = collect()
  const error = Object.assign(new TypeError('outer', { cause: new Error('inner') }), { code: 'EX' })
  log.error({ err: error }, 'failed')
  t.match(lines[0], { err: { type: 'TypeError', code: 'EX', message: /outer/, stack: /inner/ } })
  log.error({ err: { odd: true } })
  t.match(lines[1], { err: { odd: true } })
})

t.test('passwords in URLs are masked, wherever in a line they stand', async (t) => {
  t.equal(maskPasswords('a://u:p@h b://u@h c://h'), 'a://u:[secret]@h b://u@h c://h')
  t.equal(maskPasswords('postgres://u:p%40ss:x@h/db'), 'postgres://u:[secret]@h/db')
  t.equal(
    maskPasswords('postgres://h/db?user=u&password=p%26x&sslpassword=p'),
    'postgres://h/db?user=u&password=[secret]&sslpassword=[secret]',
  )
  const line = JSON.stringify({ url: 'http://h:1', mail: 'a@b' })
  t.equal(maskPasswords(line), line)
})

const noFullDevice = existsSync('/dev/full') ? false : 'there is no /dev/full'

t.test('a log that can not be written costs nothing but its lines', { skip: noFullDevice }, async (t) => {
  const module = new URL('../../src/telemetry/log.ts', import.meta.url).href
  const script = `
    const log = (await import('${module}')).createLog('info')
    for (let i = 0; i < 3; i++) log.info('x')
    setImmediate(() => process.stderr.write('goes on'))`
  const command = ['-c', 'exec "$0" --input-type=module -e "$1" > /dev/full', process.execPath, script]
  const { status, stderr } = spawnSync('/bin/sh', command, { encoding: 'utf8' })
  t.equal(status, 0)
  t.match(stderr, /goes on$/)
})
