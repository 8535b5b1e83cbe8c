import t from 'tap'
import { CacheUrlError, parseCacheUrl } from '../../../../src/controlplane/feeds/cache/cache-url.ts'

t.test('URLs of a cache', async (t) => {
  const plain = { tls: false, host: 'h', port: 6379, username: null, password: null, database: 0 }
  for (const [url, expected] of [
    ['redis://h', plain],
    ['redis://h/', plain],
    ['REDIS://h:6379/0', plain],
    ['rediss://h:7000/3', { ...plain, tls: true, port: 7000, database: 3 }],
    ['redis://:p%40%2F@h', { ...plain, password: 'p@/' }],
    ['redis://u@h', { ...plain, username: 'u' }],
    ['redis://u:p:q@h', { ...plain, username: 'u', password: 'p:q' }],
    ['redis://u:p@q@h', { ...plain, username: 'u', password: 'p@q' }],
    ['redis://[::1]:7001', { ...plain, host: '::1', port: 7001 }],
    ['redis://:@h', plain],
  ] as const) {
    t.same(parseCacheUrl(url), expected, url)
  }
})

t.test('what is wrong with one is said without showing it', async (t) => {
  for (const [url, message] of [
    ['redis://', /host/],
    ['redis:hunter2', /it takes a URL/],
    ['http://hunter2', /it takes a URL/],
    ['redis://h:0', /port/],
    ['redis://h:65536', /port/],
    ['redis://h:hunter2', /port/],
    ['redis://u:hunter2/x@h', /%2F/],
    ['redis://u:hunter2?x@h', /%3F/],
    ['redis://u:hunter2#x@h', /%23/],
    ['redis://h?password=hunter2', /behind a \?/],
    ['redis://h/x', /number of the database/],
    ['redis://h/1000000', /number of the database/],
    ['redis://h/1/2', /number of the database/],
    ['redis://u:hunter2%@h', /password has a %/],
    ['redis://hunter2%zz:p@h', /user name has a %/],
    ['redis://[hunter2]', /brackets/],
    ['redis://::1', /brackets/],
    ['redis://a b', /host/],
  ] as const) {
    t.throws(() => parseCacheUrl(url), CacheUrlError, url)
    t.throws(() => parseCacheUrl(url), message, url)
    try {
      parseCacheUrl(url)
    } catch (error) {
      t.notMatch(String(error), /hunter2/, url)
    }
  }
})
