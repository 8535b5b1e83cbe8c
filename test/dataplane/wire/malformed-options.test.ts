import t from 'tap'
import { EdnsOptions } from '../../../src/dataplane/wire/edns-options.ts'

t.test('of malformed options none is left', async (t) => {
  const rows: readonly (readonly [title: string, hex: string])[] = [
    ['an empty client subnet', '00030000 00080000'],
    ['a cookie of a bad length', '00030000 000a0001 00'],
    ['a keepalive with a timeout', '00030000 000b0002 0064'],
    ['an option that runs over', '00030000 000a0008 01020304050607'],
    ['octets left over', '00030000 00'],
  ]
  for (const [title, hex] of rows) {
    const options = new EdnsOptions()
    const packet = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    t.notOk(options.load(packet, 0, packet.length), title)
    t.match(options, { nsid: false, keepalive: false, cookieAt: 0, subnetAt: 0 })
  }
})
