import t from 'tap'
import { canonicalHost } from '../../../src/controlplane/model/host-name.ts'

t.test('hosts in the form in which they are compared', (t) => {
  for (const [written, canonical] of [
    ['www.example.test', 'www.example.test'],
    ['WWW.Example.TEST.', 'www.example.test'],
    ['www.example.test.:8443', 'www.example.test'],
    ['bücher.example.', 'xn--bcher-kva.example'],
    ['XN--Bcher-kva.example', 'xn--bcher-kva.example'],
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1.', '192.0.2.1'],
    ['3221225985', '192.0.2.1'],
    ['[2001:DB8:0::1]:443', '2001:db8::1'],
  ] as const) {
    t.equal(canonicalHost(new URL(`https://${written}/`)), canonical, written)
  }
  t.end()
})

t.test('what URLs may have for a host, and no name can be', (t) => {
  const long = `${'a'.repeat(60)}.`.repeat(4)
  for (const written of [
    '.',
    '..',
    'a.test..',
    '.a.test',
    'a..b',
    `${'a'.repeat(64)}.test`,
    `${long}aaaaaaaaaa`,
  ]) {
    t.equal(canonicalHost(new URL(`http://${written}/`)), null, written)
  }
  t.equal(canonicalHost(new URL(`http://${long}aaaaaaaaa./`)), `${long}aaaaaaaaa`, 'as long as one may be')
  t.end()
})
