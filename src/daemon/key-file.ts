/** The key file of this node, and what is made with it. */
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { type KeyFile, readOrMakeKeyFile } from '../controlplane/dnssec/key-file.ts'
import { SealError } from '../controlplane/dnssec/sealing.ts'
import { makeKeyParts, sealKey } from '../controlplane/dnssec/zone-key.ts'
import { type KeyMaker, keyFlags } from '../controlplane/model/dnssec.ts'
import { ControlError } from '../controlplane/model/errors.ts'

/** The file that the keys of zones are sealed by. Made where nobody said which. */
export function keyFileOf({ keyFile, dataDir }: Pick<Config, 'keyFile' | 'dataDir'>): KeyFile {
  return keyFile === null
    ? { path: join(dataDir, 'dnssec.key'), mayBeMade: true }
    : { path: keyFile, mayBeMade: false }
}

/** @throws ControlError `conflict` when the key file can't be used */
export function secretOf(keyFile: KeyFile): Uint8Array {
  return orConflict('no key can be kept on this node', () => readOrMakeKeyFile(keyFile))
}

/** @throws ControlError `conflict` in the place of a SealError */
export function orConflict<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    throw new ControlError('conflict', `${what}: ${error.message}`)
  }
}

export function keyMaker(keyFile: KeyFile): KeyMaker {
  return (apex, algorithm, role) => sealKey(secretOf(keyFile), apex, makeKeyParts(algorithm), keyFlags[role])
}
