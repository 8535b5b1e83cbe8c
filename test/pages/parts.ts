import { answersPart } from './answers-part.ts'
import { commandPagesPart, commandsPart } from './command-line-part.ts'
import { configurationPart } from './configuration-part.ts'
import { metricsPart } from './metrics-part.ts'
import type { Part } from './part.ts'

/** Everything in README and docs that is made from the code. */
export const parts: readonly Part[] = [
  answersPart,
  commandsPart,
  commandPagesPart,
  configurationPart,
  metricsPart,
]
