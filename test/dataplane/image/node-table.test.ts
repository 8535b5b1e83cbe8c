/** Names that are found by their hash, and told apart by their octets: hashes that collide are made here, not waited for. */
import t from 'tap'
import { NodeTable } from '../../../src/dataplane/image/node-table.ts'
import { parseName } from '../../../src/dataplane/wire/name.ts'
import { hashName } from '../../../src/dataplane/wire/name-scan.ts'

t.test('a name with the hash of another one is not taken for it', async (t) => {
  const nodes = new NodeTable(parseName('example.test.'), { nodes: 4, octets: 64 })
  const name = parseName('www.example.test.')
  const node = nodes.take(name, 0, name.length)
  const hash = hashName(name)
  const find = (text: string) => {
    const other = parseName(text)
    return nodes.find(other, 0, other.length, hash)
  }
  t.equal(find('www.example.test.'), node)
  t.equal(find('wwx.example.test.'), -1, 'of the same length')
  t.equal(find('xww.example.test.'), -1)
  t.equal(find('ww.example.test.'), -1, 'shorter')
  t.equal(find('wwww.example.test.'), -1, 'longer')
})
