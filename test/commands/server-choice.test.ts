/** Which server, and which token goes to which. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ApiClient } from '../../src/commands/api-client.ts'
import { loginPath, readLogin, removeLogin, writeLogin } from '../../src/commands/login-file.ts'
import { namedServer, namedServers, serverOrDatabase, theServer } from '../../src/commands/server-choice.ts'

/** An environment in which nobody has logged in. */
const nobody = (t: Test) => ({ XDG_CONFIG_HOME: t.testdir({}), POOLDNS_DATA_DIR: '/nowhere' })

t.test('options name the server before the environment does, and a server needs a token', async (t) => {
  const none = nobody(t)
  t.equal(namedServer({}, none), null)
  t.equal(namedServer({}, { ...none, POOLDNS_SERVER: '', POOLDNS_ADMIN_TOKEN: 'x' }), null)
  const environment = { ...none, POOLDNS_SERVER: 'http://[::1]:3000/', POOLDNS_ADMIN_TOKEN: 'x' }
  t.same(namedServer({}, environment), new ApiClient('http://[::1]:3000', 'x'))
  t.same(namedServer({ server: 'https://dns.example', token: 'y' }, environment), {
    origin: 'https://dns.example',
    token: 'y',
  })
  t.throws(() => namedServer({}, { ...none, POOLDNS_SERVER: 'x' }), {
    message: /^POOLDNS_SERVER: "x" is not accepted/,
  })
  writeFileSync(join(none.XDG_CONFIG_HOME, 'token'), 'of a file\n')
  const POOLDNS_TOKEN_FILE = join(none.XDG_CONFIG_HOME, 'token')
  t.match(namedServer({}, { ...environment, POOLDNS_TOKEN_FILE }), { token: 'of a file' })
  t.match(namedServer({}, { ...environment, POOLDNS_TOKEN: 'z' }), { token: 'z' })
  const wrong = { ...environment, POOLDNS_TOKEN_FILE: none.XDG_CONFIG_HOME }
  t.throws(() => namedServer({}, wrong), { name: 'UsageError' })
  t.throws(() => namedServer({ server: 'http://a' }, none), { message: /--server needs a token/ })
})

t.test(
  'who names none speaks to the server on this host, with the token in its data directory',
  async (t) => {
    const none = nobody(t)
    const environment = { ...none, POOLDNS_DATA_DIR: none.XDG_CONFIG_HOME }
    writeFileSync(join(none.XDG_CONFIG_HOME, 'admin-token'), 'admin_of_this_host\n')
    t.same(theServer({}, environment), new ApiClient('http://127.0.0.1:3000', 'admin_of_this_host'))
    for (const server of ['http://localhost:81', 'http://127.9.9.9', 'http://[::1]:3000'])
      t.match(theServer({ server }, environment), { origin: server, token: 'admin_of_this_host' })
    for (const server of ['http://192.0.2.1', 'http://127.0.0.1.example', 'https://localhost.example'])
      t.throws(() => theServer({ server }, environment), { message: /needs a token/ }, server)
    t.throws(() => theServer({}, none), { name: 'UsageError', message: /admin-token: it is not there/ })

    // Where it says that it listens.
    writeFileSync(join(none.XDG_CONFIG_HOME, 'http-address'), 'http://192.0.2.7:3100\n')
    t.same(theServer({}, environment), new ApiClient('http://192.0.2.7:3100', 'admin_of_this_host'))
    t.throws(() => theServer({ server: 'http://192.0.2.7:3000' }, environment), { message: /needs a token/ })
  },
)

t.test('a database that a server has open is reached by that server', async (t) => {
  const none = nobody(t)
  const environment = { ...none, POOLDNS_DATA_DIR: none.XDG_CONFIG_HOME }
  const inData = (name: string) => join(none.XDG_CONFIG_HOME, name)
  writeFileSync(inData('admin-token'), 'admin_of_this_host\n')
  writeFileSync(inData('http-address'), 'http://127.0.0.1:3100\n')
  t.equal(serverOrDatabase({}, environment), null, 'nobody has it open: a server that was killed left this')
  const other = spawn('sleep', ['60'])
  t.teardown(() => other.kill())
  writeFileSync(inData('db.lock'), JSON.stringify({ pid: other.pid }))
  const server = new ApiClient('http://127.0.0.1:3100', 'admin_of_this_host')
  t.same(serverOrDatabase({}, environment), server)
  t.equal(serverOrDatabase({}, { ...environment, DATABASE_URL: 'postgres://a/b' }), null)
  t.match(serverOrDatabase({ server: 'http://[::1]:1' }, environment), { origin: 'http://[::1]:1' })
  rmSync(inData('admin-token'))
  t.throws(() => serverOrDatabase({}, environment), {
    message: /^the server that has \S+, http:\/\/127\.0\.0\.1:3100, needs a token/,
  })
  rmSync(inData('http-address'))
  t.equal(serverOrDatabase({}, environment), null, 'it is said where the lock is found')
})

t.test('a login goes behind options and environment, and its token to its own server alone', async (t) => {
  const environment = nobody(t)
  const path = writeLogin(environment, { server: 'https://dns.example', token: 'of the login' })
  t.equal(path, join(environment.XDG_CONFIG_HOME, 'pooldns/login.json'))
  t.same(namedServer({}, environment), new ApiClient('https://dns.example', 'of the login'))
  t.match(namedServer({ server: 'https://dns.example/' }, environment), { token: 'of the login' })
  t.throws(() => namedServer({ server: 'https://other.example' }, environment), { message: /needs a token/ })
  t.match(namedServers({}, environment), [{ origin: 'https://dns.example' }])
  t.match(namedServer({}, { ...environment, POOLDNS_ADMIN_TOKEN: 'of the server here' }), {
    token: 'of the login',
  })
  t.match(namedServer({}, { ...environment, POOLDNS_TOKEN: 'x' }), {
    origin: 'https://dns.example',
    token: 'x',
  })

  chmodSync(path, 0o644)
  t.throws(() => readLogin(environment), { name: 'UsageError', message: /open to others: chmod 600/ })
  t.equal(removeLogin(environment), true)
  t.equal(removeLogin(environment), false)
  mkdirSync(join(environment.XDG_CONFIG_HOME, 'pooldns'), { recursive: true })
  writeFileSync(path, '{"server": 7}', { mode: 0o600 })
  t.throws(() => readLogin(environment), { message: /run "pooldns login" again/ })
  t.equal(loginPath({ XDG_CONFIG_HOME: 'relative', HOME: '/home/a' }), '/home/a/.config/pooldns/login.json')
})
