/** The key file of this node, and what is made with it. */
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { type KeyFile, readKeyFile, readOrMakeKeyFile } from '../controlplane/dnssec/key-file.ts'
import { SealError } from '../controlplane/dnssec/sealing.ts'
import { parentData } from '../controlplane/dnssec/sign-zone.ts'
import { makeKeyParts, openKey, sealKey } from '../controlplane/dnssec/zone-key.ts'
import { type KeyMaker, keyFlags } from '../controlplane/model/dnssec.ts'
import { ControlError } from '../controlplane/model/errors.ts'

/** The file that the keys of zones are sealed by. Made where nobody said which. */
export function keyFileOf({ keyFile, dataDir }: Pick<Config, 'keyFile' | 'dataDir'>): KeyFile {
  return keyFile === null
    ? { path: join(dataDir, 'dnssec.key'), mayBeMade: true }
    : { path: keyFile, mayBeMade: false }
}

/**
 * @param isFirst whether nothing is sealed yet, so that the file may be made
 * @throws ControlError `conflict` when the key file can't be used
 */
export function secretOf(keyFile: KeyFile, isFirst: boolean): Uint8Array {
  if (isFirst) return orConflict('no key can be kept on this node', () => readOrMakeKeyFile(keyFile))
  return orConflict('a key must be sealed by the key file that those before are sealed by', () =>
    readKeyFile(keyFile),
  )
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
  return {
    make: (apex, algorithm, role, isFirst) =>
      sealKey(secretOf(keyFile, isFirst), apex, makeKeyParts(algorithm), keyFlags[role]),
    check: (apex, key) =>
      void orConflict(
        `zone ${apex} can't be signed by its key of algorithm ${key.algorithm}, which can't be opened`,
        () => openKey(readKeyFile(keyFile), apex, key),
      ),
    parentData,
  }
}
