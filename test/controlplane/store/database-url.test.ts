/** What `DATABASE_URL` may say, and what the driver is told of it. */
import pg from 'pg'
import t from 'tap'
import { parseDatabaseUrl } from '../../../src/controlplane/store/database-url.ts'

/** What the driver makes of the URL of a server. */
function seenByDriver(url: string) {
  const { host, port, user, password, database } = new pg.Client(url)
  return { host, port, user, password, database }
}
const where = (url: string) =>
  parseDatabaseUrl(url).servers.map((server) => {
    const { host, port } = seenByDriver(server.url)
    return `${host} ${port}`
  })

t.test('hosts and ports, as libpq takes them', async (t) => {
  const rows: readonly [url: string, ...servers: readonly string[]][] = [
    ['postgres://h/db', 'h 5432'],
    ['postgresql://h:5433/db', 'h 5433'],
    ['postgres://u:p@h1:5432,h2:5433,h3/db', 'h1 5432', 'h2 5433', 'h3 5432'],
    ['postgres://h1,h2:5433', 'h1 5432', 'h2 5433'],
    ['postgres://h1:,h2:5433/db', 'h1 5432', 'h2 5433'],
    ['postgres://[::1]:5433/db', '::1 5433'],
    ['postgres://u@[::1]:5433,[2001:db8::1]/db', '::1 5433', '2001:db8::1 5432'],
    ['postgres:///db?host=/run/pg', '/run/pg 5432'],
    ['postgres://u:p@%2Frun%2Fpg:5433/db', '/run/pg 5433'],
    ['postgres://u:p@%2Frun%2Fpg:5433,h2/db', '/run/pg 5433', 'h2 5432'],
    ['postgres:///db?host=h1,h2', 'h1 5432', 'h2 5432'],
    ['postgres:///db?host=h1,::1,/run/pg&port=5433', 'h1 5433', '::1 5433', '/run/pg 5433'],
    ['postgres://u@h0:1/db?port=5433,,5435&host=h1,h2,h3', 'h1 5433', 'h2 5432', 'h3 5435'],
    ['postgres://h1,h2/db?port=5433,5434', 'h1 5433', 'h2 5434'],
  ]
  for (const [url, ...servers] of rows) t.same(where(url), servers, url)
})

t.test('all else holds for each of them', async (t) => {
  const url = 'postgres://u%40x:p%3Aw%2F@h1,h2/d%20b?sslmode=disable&connect_timeout=3&application_name=x'
  const { servers, connectTimeoutMs } = parseDatabaseUrl(url)
  for (const { url: each } of servers) {
    t.match(seenByDriver(each), { user: 'u@x', password: 'p:w/', database: 'd b' })
    t.match(each, /sslmode=disable&application_name=x&host=h\d$/)
  }
  t.equal(connectTimeoutMs, 3000)
  t.same(
    servers.map(({ name }) => name),
    ['h1', 'h2'],
  )
  const many = parseDatabaseUrl('postgres://[::1]:1,h:2,%2Frun/db').servers
  t.same(
    many.map(({ name }) => name),
    ['[::1]:1', 'h:2', '/run'],
  )
})

t.test('what a server must be like', async (t) => {
  const target = (query: string, hosts = 'h') => parseDatabaseUrl(`postgres://${hosts}/db${query}`).target
  t.equal(target(''), 'any')
  t.equal(target('', 'h1,h2'), 'read-write')
  for (const word of ['any', 'read-write', 'primary'] as const) {
    t.equal(target(`?target_session_attrs=${word}`), word)
    t.equal(target(`?sslmode=disable&target_session_attrs=${word}`, 'h1,h2'), word)
  }
  for (const word of ['read-only', 'standby', 'prefer-standby']) {
    t.throws(() => target(`?target_session_attrs=${word}`), {
      message: `target_session_attrs: ${word} is of no use to one who writes: it takes any, read-write, primary`,
    })
  }
  t.throws(() => target('?target_session_attrs=leader'), {
    message: 'target_session_attrs: it takes any, read-write, primary',
  })
  t.equal(parseDatabaseUrl('postgres://h/db?connect_timeout=0').connectTimeoutMs, null)
})

t.test('what is refused is said by its place, and nothing of it is shown', async (t) => {
  const rows: readonly [url: string, message: RegExp | string][] = [
    ['mysql://h/db', /^it takes a URL postgres:/],
    ['postgres://h:port:x/', /^host 1 is no name and no address/],
    ['postgres://u:hush@h1:5432,h2:hush/db', 'the port of host h2 is no number from 1 to 65535'],
    ['postgres://h1:0,h2/db', 'the port of host h1 is no number from 1 to 65535'],
    ['postgres://h1,h2:65536/db', 'the port of host h2 is no number from 1 to 65535'],
    ['postgres://h1,,h3/db', 'host 2 is empty'],
    ['postgres://h1,/db', 'host 2 is empty'],
    ['postgres://::1,h2/db', /^host 1 is no name and no address; IPv6/],
    ['postgres://h1,[::g]/db', /^host 2 is no name and no address; IPv6 addresses stand in brackets$/],
    ['postgres://h1,h 2/db', /^host 2 is no name/],
    ['postgres://h1,h%zz/db', /^host 2 is no name/],
    ['postgres://h1,h2/db?port=1,2,3', '3 ports are given for 2 hosts'],
    ['postgres://u:hu/sh@h/db', /an @ stands behind the hosts: .* write @ as %40/],
    ['postgres://u:hush#hush@h/db', /^it takes a URL/],
    ['postgres://h/db?connect_timeout=hush', 'connect_timeout takes seconds from 1 to 60'],
    ['postgres://h/db?connect_timeout=61', 'connect_timeout takes seconds from 1 to 60'],
    [`postgres://${Array(17).fill('h').join(',')}/db`, 'it takes at most 16 hosts'],
  ]
  for (const [url, message] of rows) {
    t.throws(() => parseDatabaseUrl(url), { name: 'DatabaseUrlError', message }, url)
    t.throws(() => parseDatabaseUrl(url), { message: /^(?!.*hu)/ }, url)
  }
})
