import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import type { AnswerSettings } from '../dataplane/image/answer-settings.ts'
import { parseName } from '../dataplane/wire/name.ts'

/**
 * What the configuration says of responses.
 *
 * @param nodeId told by NSID where the operator has set no identity
 * @param cookieKeys the one that signs first
 */
export function answerSettings(
  config: Config,
  nodeId: string,
  cookieKeys: readonly Uint8Array[],
): AnswerSettings {
  const { identity, chaosVersion, rateLimit } = config
  const chaos = [
    ...(chaosVersion === null
      ? []
      : ['version.bind.', 'version.server.'].map((name) => ({ name, text: chaosVersion }))),
    ...(identity === null ? [] : ['hostname.bind.', 'id.server.'].map((name) => ({ name, text: identity }))),
  ]
  return {
    nsid: Buffer.from(identity ?? nodeId),
    chaos: chaos.map(({ name, text }) => ({ name: parseName(name), text })),
    cookieKeys,
    rateLimit,
  }
}

/** The id of the node that this data directory belongs to: made up once, and says nothing of the machine. */
export async function readNodeId(dataDir: string): Promise<string> {
  const path = join(dataDir, 'node-id')
  try {
    const id = randomBytes(6).toString('hex')
    await writeFile(path, `${id}\n`, { flag: 'wx', mode: 0o600 })
    return id
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return (await readFile(path, 'utf8')).trim()
}
