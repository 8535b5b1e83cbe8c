import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { UsageError } from '../config.ts'
import { printable } from '../terminal-text.ts'
import { ApiClient } from './api-client.ts'
import { defineCommand } from './frame/command.ts'
import { loginPath, removeLogin, writeLogin } from './login-file.ts'
import { parseOrigin, tokenOf, trustFor } from './server-choice.ts'

/** `pooldns login URL`: which server the commands of this user go by. The token is shown nowhere. */
export const login = defineCommand({
  arguments: { url: { summary: 'the server', need: 'optional' } },
  options: {},
  examples: [
    { line: 'pooldns login https://dns.example', does: 'asks for the token' },
    { line: 'pooldns login http://127.0.0.1:3000 < data/admin-token', does: 'takes it from a file' },
  ],
  notes:
    'The token comes from standard input, or POOLDNS_TOKEN or POOLDNS_TOKEN_FILE, and is tried. Server and token are kept in ' +
    '$XDG_CONFIG_HOME/pooldns/login.json, for you alone.',
  async run({ url = 'http://127.0.0.1:3000' }) {
    const server = parseOrigin(url, 'the server')
    const token = tokenOf(process.env) ?? (await readToken(server))
    if (token === '') {
      throw new UsageError(
        `no token came by standard input: type it at a terminal, or say "pooldns login ${server} < FILE", or where it is by POOLDNS_TOKEN_FILE`,
      )
    }
    if (!/^[\x21-\x7e]+$/.test(token)) throw new UsageError('a token is one word of printable characters')
    trustFor(server)
    await new ApiClient(server, token).ask('/v1/zones?limit=1')
    const path = writeLogin(process.env, { server, token })
    process.stdout.write(`${printable(`commands go by ${server} now (${path})`)}\n`)
  },
})

/** `pooldns logout`. */
export const logout = defineCommand({
  arguments: {},
  options: {},
  examples: [
    { line: 'pooldns logout', does: 'deletes server and token from this host; the token itself stays good' },
  ],
  async run() {
    const path = loginPath(process.env)
    process.stdout.write(removeLogin(process.env) ? `${path} is deleted\n` : `there was no login\n`)
  },
})

async function readToken(server: string): Promise<string> {
  if (process.stdin.isTTY !== true) return (await text(process.stdin)).trim()
  process.stderr.write(`token for ${printable(server)}: `)
  // A terminal echoes what is typed unless whoever reads it writes it, which this does to nowhere.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  try {
    return (await lines.question('')).trim()
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}
