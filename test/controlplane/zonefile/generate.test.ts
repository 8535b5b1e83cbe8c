// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the forms of $GENERATE look like those of template strings
import t from 'tap'
import { compileTemplate, parseRange } from '../../../src/controlplane/zonefile/generate.ts'

t.test('forms of a number, as BIND prints them', async (t) => {
  const rows: readonly (readonly [template: string, number: number, text: string])[] = [
    ['$', 7, '7'],
    ['a$b$c', 7, 'a7b7c'],
    ['$$', 7, '\\$'],
    ['\\$', 7, '\\$'],
    ['\\\\$', 7, '\\\\7'],
    ['${0}', 7, '7'],
    ['${-5}', 7, '2'],
    ['${-8}', 7, '-1'],
    ['${-8,3}', 7, '-01'],
    ['${1,3}', 7, '008'],
    ['${0,3,d}x', 7, '007x'],
    ['${0,0,o}', 8, '10'],
    ['${0,4,x}', 0xab, '00ab'],
    ['${0,4,X}', 0xab, '00AB'],
    ['${0,1,n}', 0x1a, 'a.1'],
    ['${0,0,n}', 0x1a, 'a.1'],
    ['${0,3,n}', 0x1a, 'a.1'],
    ['${0,4,n}', 0x1a, 'a.1.'],
    ['${0,5,n}', 0x1a, 'a.1.0'],
    ['${0,7,N}', 0x1a, 'A.1.0.0'],
    ['${0,0,n}', 0, '0'],
    ['', 1, ''],
  ]
  for (const [template, number, text] of rows) t.equal(compileTemplate(template)(number), text, template)
  for (const bad of ['${', '${}', '${x}', '${1,}', '${1,2,}', '${1,2,z}', '${1,256}', '${1;2}']) {
    t.throws(() => compileTemplate(bad), { name: 'TextError' }, bad)
  }
  t.throws(() => compileTemplate('${-8,0,x}')(7), { message: /negative/ })
})

t.test('a range rises by steps and has a most', async (t) => {
  t.same(parseRange('1-254'), { start: 1, stop: 254, step: 1 })
  t.same(parseRange('0-0/5'), { start: 0, stop: 0, step: 5 })
  t.same(parseRange('0-2147483647/1000000'), { start: 0, stop: 2_147_483_647, step: 1_000_000 })
  for (const bad of ['', '1', '1-', '-1-2', '2-1', '1-2/0', '1-2/', '0-2147483648/9999', '0-1000000']) {
    t.throws(() => parseRange(bad), { name: 'TextError' }, bad)
  }
})
