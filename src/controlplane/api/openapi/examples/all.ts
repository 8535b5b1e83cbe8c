/**
 * The examples of the OpenAPI document, in an order in which a server that was empty takes each of them: a test sends them. Two operations
 * have none, for what they need has to happen first: `failBackMember` a member that was down, `acceptEmptyDatabase` another database.
 */
import { creating } from './creating.ts'
import type { Example } from './example.ts'
import { looking } from './looking.ts'
import { operating } from './operating.ts'
import { removing } from './removing.ts'

export const examples: readonly Example[] = [...creating, ...operating, ...looking, ...removing]
