/** Text of others does nothing to the terminal of whoever asks. */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { printable, printableJson, printableLines } from '../src/terminal-text.ts'

const hostile = 'a\u001b[2Jb\u202ec\u2066d\u2069e\u200ff\u061cg\u2028h\u0085i\u007fj'
const harmless = 'a?[2Jb?c?d?e?f?g?h?i?j'

t.test('characters that act are shown as a question mark', async (t) => {
  t.equal(printable(hostile), harmless)
  t.equal(printable('x\ny\tz\r'), 'x?y?z?')
  t.equal(
    printable('müller 日本 👩‍🚀'),
    'müller 日本 👩‍🚀',
    'letters of any script, and emoji of several code points, stay',
  )
  t.equal(printableLines(`x\n${hostile}\ny`), `x\n${harmless}\ny`)
})

t.test('JSON keeps its meaning', async (t) => {
  const text = JSON.stringify({ [hostile]: [hostile] }, null, 2)
  const shown = printableJson(text)
  t.same(JSON.parse(shown), JSON.parse(text))
  t.notMatch(shown, /[\p{Bidi_Control}\p{Zl}\p{Zp}\u0080-\u009f\u007f]/u)
})

/** Everything that the command line says. */
function said(args: readonly string[]): Promise<string> {
  const main = join(import.meta.dirname, '../src/main.ts')
  const env = { ...process.env, POOLDNS_TOKEN: 'a-token-of-some-length' }
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env }, (_error, stdout, stderr) => resolve(stdout + stderr))
  })
}

t.test('what is wrong is told without them, whoever wrote it', async (t) => {
  t.match(await said([hostile.replaceAll('\u0085', '')]), '"a?[2Jb?c?d?e?f?g?hi?j" is no command')
  const server = createServer((_request, response) => {
    response.writeHead(400, { 'content-type': 'application/problem+json' })
    response.end(JSON.stringify({ detail: `refused: ${hostile}` }))
  })
  server.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const args of [
    ['explain', 'www.example.test'],
    ['token', 'list'],
  ]) {
    t.match(await said([...args, '--server', url]), `refused: ${harmless}`, args.join(' '))
  }
})
