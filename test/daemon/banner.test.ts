import t from 'tap'
import { type Banner, banner } from '../../src/daemon/banner.ts'

const given: Banner = {
  version: '1.2.3',
  dns: [{ host: '0.0.0.0', port: 9999 }],
  http: { host: '127.0.0.1', port: 3000 },
  dataDir: 'data',
  tokenGiven: false,
  demo: true,
}

t.test('five lines, of which each can be used as it stands', async (t) => {
  t.equal(
    banner(given),
    'pooldns 1.2.3 answers\n' +
      '  page  http://127.0.0.1:3000/console\n' +
      '  API   http://127.0.0.1:3000/docs\n' +
      '  DNS   dig @127.0.0.1 -p 9999 www.example.test\n' +
      '  token data/admin-token\n',
  )
  const other = banner({
    ...given,
    dns: [{ host: '::', port: 53 }],
    http: { host: '::', port: 3000 },
    tokenGiven: true,
    demo: false,
  })
  t.match(other, 'http://[::1]:3000/docs\n')
  t.match(other, 'dig @::1 -p 53 NAME\n')
  t.match(other, 'token POOLDNS_ADMIN_TOKEN\n')
})
