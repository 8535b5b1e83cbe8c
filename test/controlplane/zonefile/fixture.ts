import type { StagedFinding, StagedRr } from '../../../src/controlplane/store/zone-staging.ts'
import { ProblemList } from '../../../src/controlplane/zonefile/problems.ts'
import { type FileSoa, MasterFile } from '../../../src/controlplane/zonefile/reader.ts'

export interface Reading {
  readonly rrs: readonly StagedRr[]
  /** `owner TTL type data`, the RRs of the file as lines. */
  readonly lines: readonly string[]
  readonly soa: FileSoa | null
  readonly warnings: readonly StagedFinding[]
  /** `line:column: message`. */
  readonly problems: readonly string[]
}

/** Reads a master file of example.test, in the chunks given. */
export async function readChunks(
  chunks: Iterable<Uint8Array | string>,
  apex = 'example.test',
): Promise<Reading> {
  const problems = new ProblemList()
  const file = new MasterFile(apex, problems)
  const rrs: StagedRr[] = []
  for await (const batch of file.batches(chunks)) for (const rr of batch) rrs.push(rr)
  return {
    rrs,
    lines: rrs.map(({ owner, ttlSeconds, type, data }) => `${owner} ${ttlSeconds} ${type} ${data}`),
    soa: file.soa,
    warnings: file.warnings,
    problems: problems.finish().map(({ path, message }) => {
      const place = /^line (\d+), column (\d+)$/.exec(path)
      return place === null ? message : `${place[1]}:${place[2]}: ${message}`
    }),
  }
}

export const head = '$TTL 300\n@ SOA ns1 hostmaster 1 1h 10m 14d 60\n'

/** Reads what stands below `head`; line numbers count from there. */
export async function readBelow(text: string): Promise<Reading> {
  const reading = await readChunks([head + text])
  const offset = head.split('\n').length - 1
  return {
    ...reading,
    problems: reading.problems.map((problem) =>
      problem
        .replace(/^\d+/, (line) => String(Number(line) - offset))
        .replaceAll(/in line (\d+)/g, (_, line) => `in line ${line - offset}`),
    ),
  }
}
