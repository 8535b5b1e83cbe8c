// Writes what the server wants as files, for its user alone, and ends. $NAMES is a JSON object: the variable that holds a text, and the name
// of its file below $FOLDER. Run by `node --eval`, so it imports nothing but node's own.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

for (const [variable, name] of Object.entries(JSON.parse(process.env.NAMES))) {
  const path = join(process.env.FOLDER, name)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // One that is there can't be written to.
  rmSync(path, { force: true })
  writeFileSync(path, process.env[variable], { mode: 0o400, flag: 'wx' })
  console.log(`${path} is written`)
}
