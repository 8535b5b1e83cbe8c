/** Disks that fill up: under the database, or under the server's own data directory. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Stage } from '../stage.ts'
import { awayMs, postgresProcesses } from './database.ts'
import { killAll, restartDuring } from './processes.ts'

/** Whatever becomes free is taken, too. */
async function keepFull({ stand }: Stage): Promise<void> {
  for (const endMs = performance.now() + awayMs; performance.now() < endMs; await delay(100))
    stand.disk!.fill()
}

/** Until writes have been refused for a while. The database is started again when that has ended it, as a service manager does. */
export async function fillDisk(stage: Stage): Promise<void> {
  const { stand, writer } = stage
  let isRefused = false
  const refused = writer.refused().then(() => {
    isRefused = true
  })
  // What there is room for inside of the files is used up by and by.
  for (; !isRefused; await Promise.race([refused, delay(100)])) stand.disk!.fill()
  await keepFull(stage)
  stand.disk!.free()
  await startWhatEnded(stage)
  stage.struck()
}

/** The database is killed, and can't start on its full disk, though that is tried again and again; the server is restarted. */
export async function startDatabaseOnFullDisk(stage: Stage): Promise<void> {
  const { stand } = stage
  const { log } = stand.postgres!
  await stand.postgres!.kill()
  stand.disk!.fill()
  await restartDuring(stage, 0, async () => {
    const starting = stand.postgres!.restart().catch(() => stand.postgres!.restart())
    await keepFull(stage)
    stand.disk!.free()
    await starting
  })
  if (!stand.postgres!.log.slice(log.length).includes('No space left on device'))
    throw new Error('the database was started on a full disk')
}

/** The disk of the data directory alone: what is written is in the database, and the server restarts meanwhile. */
export async function fillDataDirectory(stage: Stage): Promise<void> {
  stage.stand.disk!.fill()
  await restartDuring(stage, 0, async () => {
    await keepFull(stage)
    stage.stand.disk!.free()
  })
}

/** All of the server is killed, and started on its full disk. */
export async function startOnFullDisk(stage: Stage): Promise<void> {
  stage.stand.disk!.fill()
  await killAll(stage)
  await keepFull(stage)
  stage.stand.disk!.free()
  stage.struck()
}

async function startWhatEnded({ stand }: Stage): Promise<void> {
  if (stand.postgres !== null && postgresProcesses(stand.postgres.port).length === 0)
    await stand.postgres.restart()
}
