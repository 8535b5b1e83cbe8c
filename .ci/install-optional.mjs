// Installs what npm left out because whoever ran it was an older Node than these packages want: npm says nothing of it when they are
// optional. Runs by the pinned Node, which `npm exec` finds.
import { spawnSync } from 'node:child_process'

const npm = [process.env.npm_execpath, 'install', '--no-save', '--no-audit', '--no-fund']
const { status } = spawnSync(process.execPath, npm, { stdio: 'inherit' })
process.exitCode = status ?? 1
