// Comes after every install. tap is built with the plugins that `.taprc` leaves it: before that it loads one that can't be used
// here, and no test runs. Where tap was not installed, as without the development dependencies, there is nothing to do.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const tap = fileURLToPath(new URL('../node_modules/.bin/tap', import.meta.url))
if (existsSync(tap))
  process.exitCode = spawnSync(tap, ['build'], { stdio: ['ignore', 'ignore', 'inherit'] }).status ?? 1
