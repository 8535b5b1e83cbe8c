/** How a zone is signed, as its row has it. */
import type { zones } from '../../../schema/zones.ts'
import { plainSigning, type SigningAlgorithm, type ZoneSigning } from '../model/dnssec.ts'

interface SigningColumns
  extends Pick<
    typeof zones.$inferSelect,
    | 'signingAlgorithm'
    | 'signingDenial'
    | 'signingKeys'
    | 'signingMaxTtlSeconds'
    | 'signingPropagationSeconds'
    | 'signingParentServers'
    | 'signingForeignKeys'
    | 'signingBootstrap'
  > {}

/** @param signing null: it is not signed */
export function signingRow(signing: ZoneSigning | null): SigningColumns {
  const { algorithm, keys, maxTtlSeconds, propagationSeconds, parentServers, foreignKeys, bootstrap } =
    signing ?? plainSigning
  return {
    signingAlgorithm: signing === null ? null : algorithm,
    signingDenial: signing?.denial ?? null,
    signingKeys: keys,
    signingMaxTtlSeconds: maxTtlSeconds,
    signingPropagationSeconds: propagationSeconds,
    signingParentServers: [...parentServers],
    signingForeignKeys: [...foreignKeys],
    signingBootstrap: bootstrap,
  }
}

/** @returns it, and the rest of the row */
export function signingOf<Row extends SigningColumns>(
  row: Row,
): { readonly signing: ZoneSigning | null; readonly rest: Omit<Row, keyof SigningColumns> } {
  const {
    signingAlgorithm,
    signingDenial,
    signingKeys: keys,
    signingMaxTtlSeconds: maxTtlSeconds,
    signingPropagationSeconds: propagationSeconds,
    signingParentServers: parentServers,
    signingForeignKeys: foreignKeys,
    signingBootstrap: bootstrap,
    ...rest
  } = row
  if (signingAlgorithm === null) return { signing: null, rest }
  const algorithm = signingAlgorithm as SigningAlgorithm
  const said = { algorithm, keys, maxTtlSeconds, propagationSeconds, parentServers, foreignKeys, bootstrap }
  return { signing: signingDenial === 'nsec3' ? { ...said, denial: 'nsec3' } : said, rest }
}
