/** All that is fuzzed. A new target is a line here. */
import type { Target } from './target.ts'
import { bodies } from './targets/bodies.ts'
import { documents } from './targets/documents.ts'
import { feedRows } from './targets/feed-rows.ts'
import { frames } from './targets/frames.ts'
import { journals } from './targets/journals.ts'
import { masterFiles } from './targets/master-files.ts'
import { nodes } from './targets/nodes.ts'
import { queries } from './targets/queries.ts'
import { queryFrames } from './targets/query-frames.ts'
import { storedFiles } from './targets/stored-files.ts'
import { streams } from './targets/streams.ts'

const targets = {
  queries,
  streams,
  'master-files': masterFiles,
  documents,
  bodies,
  frames,
  journals,
  'stored-files': storedFiles,
  nodes,
  'feed-rows': feedRows,
  'query-frames': queryFrames,
} satisfies Record<string, () => Target | Promise<Target>>

export type TargetName = keyof typeof targets
export const targetNames = Object.keys(targets) as readonly TargetName[]

export const makeTarget = async (name: TargetName): Promise<Target> => targets[name]()
