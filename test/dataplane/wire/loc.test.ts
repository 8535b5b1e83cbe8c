import t from 'tap'
import { parseName } from '../../../src/dataplane/wire/name.ts'
import { formatRdata, parseRdata } from '../../../src/dataplane/wire/rdata.ts'
import { TextError } from '../../../src/dataplane/wire/text-error.ts'

const origin = parseName('example.test.')
const canonical = (text: string) => formatRdata(29, parseRdata('LOC', text, origin))

t.test('parts that are left out, and how much is kept', async (t) => {
  const defaults = '1.00m 10000.00m 10.00m'
  const table: [string, string][] = [
    ['0 N 0 E 0', `0 00 00.000 N 0 00 00.000 E 0.00m ${defaults}`],
    ['0 S 0 W 0m', `0 00 00.000 N 0 00 00.000 E 0.00m ${defaults}`],
    ['1 2 S 3 4 5.6 w -0.01M', `1 02 00.000 S 3 04 05.600 W -0.01m ${defaults}`],
    ['89 59 59.999 n 179 59 59.999 e 1', `89 59 59.999 N 179 59 59.999 E 1.00m ${defaults}`],
    ['90 N 180 W -100000.00', `90 00 00.000 N 180 00 00.000 W -100000.00m ${defaults}`],
    ['1 N 1 E 42849672.95', `1 00 00.000 N 1 00 00.000 E 42849672.95m ${defaults}`],
    ['1 N 1 E 0 1234m', '1 00 00.000 N 1 00 00.000 E 0.00m 1000.00m 10000.00m 10.00m'],
    ['1 N 1 E 0 0 0.09 90000000', '1 00 00.000 N 1 00 00.000 E 0.00m 0.00m 0.09m 90000000.00m'],
    ['1 N 1 E 0 1m 2m 3.99m', '1 00 00.000 N 1 00 00.000 E 0.00m 1.00m 2.00m 3.00m'],
  ]
  for (const [text, expected] of table) {
    t.equal(canonical(text), expected, text)
    t.equal(canonical(expected), expected, `${text}, taken back`)
  }
})

t.test('what is refused, and why', async (t) => {
  const table: [string, string][] = [
    ['', 'is missing'],
    ['N', '"N" does not fit a latitude'],
    ['1', 'is missing'],
    ['1 2 3', 'is missing'],
    ['1 2 3 4', '"4" is not N or S'],
    ['1 E', '"E" is not N or S'],
    ['1 60 N', '"60" does not fit a latitude'],
    ['1 0 60 N', '"60" does not fit a latitude'],
    ['1 0 1.2345 N', '"1.2345" does not fit a latitude'],
    ['90 0 0.001 N', 'latitude is more than 90 degrees'],
    ['91 S', 'latitude is more than 90 degrees'],
    ['-1 N', '"-1" does not fit a latitude'],
    ['1 N 1 N', '"N" is not E or W'],
    ['1 N 181 E', 'longitude is more than 180 degrees'],
    ['1 N 1 E', 'is missing'],
    ['1 N 1 E x', '"x" is not a length in metres'],
    ['1 N 1 E 1.234', '"1.234" is not a length in metres'],
    ['1 N 1 E -100000.01m', '"-100000.01m" is not from -100000.00m to 42849672.95m'],
    ['1 N 1 E 42849672.96', '"42849672.96" is not from -100000.00m to 42849672.95m'],
    ['1 N 1 E 0 -1m', '"-1m" is not from 0.00m to 90000000.00m'],
    ['1 N 1 E 0 90000000.01', '"90000000.01" is not from 0.00m to 90000000.00m'],
  ]
  for (const [text, message] of table) {
    const expected = new TextError(`LOC location: ${message}`)
    t.throws(() => parseRdata('LOC', text, origin), expected, text)
  }
  t.throws(
    () => parseRdata('LOC', '1 N 1 E 0 1m 1m 1m 1m', origin),
    new TextError('LOC: "1m" is one field too many'),
  )
})
