/** Master files: each ends in RRs or in problems with their places, and what we write of what was read is read as the same. */
import fc from 'fast-check'
import { type Reading, readChunks } from '../../controlplane/zonefile/fixture.ts'
import { mutatedText } from '../mutations.ts'
import { corpus, type Target, targetOf } from '../target.ts'

const words = [
  ...['\n', '\t', ' ', '(', ')', '"', ';', '\\', '\\"', '\\000', '\\255', '\\256', '@', '.', '..', '*', '$'],
  ...['\r\n', '$ORIGIN ', '$TTL ', '$INCLUDE x', '$GENERATE 1-3 a$ A 192.0.2.$\n', '$'.concat('{0,3,x}')],
  ...['1-2147483647/1', 'IN', 'CH', 'CLASS1', 'CLASS65535', 'A', 'TXT', 'SOA', 'TYPE1', 'TYPE65535'],
  ...['\\# 4 c0000201', '\\# 0', '0', '1h', '4294967295', '4294967296', '-1', '1w2d', '192.0.2.300'],
  ...['::ffff:192.0.2.1', 'x'.repeat(64), 'CNAME', 'SVCB', 'alpn=', 'mandatory=alpn', 'key7=x', '5 '],
]
const file = mutatedText(fc.constantFrom(...corpus('master-files')), words)

export function masterFiles(): Target {
  return targetOf(300, file, async (text) => {
    const read = await readChunks([text])
    for (const problem of read.problems)
      if (!/^\d+:\d+: ./.test(problem) && !/^there are more problems/.test(problem))
        return `a problem without a place: ${problem}`
    if (read.problems.length > 0) return null
    if (read.soa === null) return 'no SOA, and no problem'
    const again = await readChunks([writtenOf(read)])
    if (again.problems.length > 0) return `what we wrote of it is refused: ${again.problems[0]}`
    const [first, second] = [read, again].map(({ lines }) => lines.join('\n'))
    return first === second ? null : `read\n${first}\nand then\n${second}`
  })
}

function writtenOf({ lines }: Reading): string {
  return `@ 300 SOA ns1 hostmaster 1 2 3 4 5\n${lines.join('\n')}\n`
}
