/** A process for tests to kill: opens the embedded database in argv[2] and writes pools named by argv[3] for ever, saying how many. */
import { Database } from '../../../../src/controlplane/store/database.ts'
import { putPool } from '../../../../src/controlplane/store/pools.ts'
import { patience } from '../../../support/patience.ts'
import { pool } from './samples.ts'

const database = await Database.open({ url: null, dataDir: process.argv[2]! })
await database.ready(patience())
for (let count = 1; ; count++) {
  await database.write('endless', (write) => putPool(write, pool(`${process.argv[3]}-${count}`, []), {}))
  console.log(count)
}
