/** Where the API listens, as commands find it. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { addressLeftIn, leaveAddress } from '../../src/daemon/http-address.ts'

t.test('it lies there as long as the server does, in a form that can be gone to', (t) => {
  const folder = t.testdir({})
  t.equal(addressLeftIn(folder), null)
  for (const [host, url] of [
    ['127.0.0.1', 'http://127.0.0.1:3000'],
    ['0.0.0.0', 'http://127.0.0.1:3000'],
    ['::', 'http://[::1]:3000'],
    ['192.0.2.1', 'http://192.0.2.1:3000'],
  ] as const) {
    {
      using _ = leaveAddress(folder, { host, port: 3000 })
      t.equal(addressLeftIn(folder), url)
      t.equal(statSync(join(folder, 'http-address')).mode & 0o777, 0o600)
    }
    t.equal(addressLeftIn(folder), null)
  }
  t.end()
})

t.test('that of another server stays, and what is no address is none', (t) => {
  const folder = t.testdir({})
  const path = join(folder, 'http-address')
  {
    using _ = leaveAddress(folder, { host: '127.0.0.1', port: 3000 })
    writeFileSync(path, 'http://127.0.0.1:3001\n')
  }
  t.equal(readFileSync(path, 'utf8'), 'http://127.0.0.1:3001\n')
  for (const text of ['', 'ftp://127.0.0.1', 'http://', '127.0.0.1:3000']) {
    writeFileSync(path, text)
    t.equal(addressLeftIn(folder), null, text)
  }
  t.end()
})

t.test('a folder that takes nothing has none', (t) => {
  const folder = join(t.testdir({}), 'missing')
  {
    using _ = leaveAddress(folder, { host: '127.0.0.1', port: 3000 })
    t.equal(addressLeftIn(folder), null)
  }
  t.end()
})
