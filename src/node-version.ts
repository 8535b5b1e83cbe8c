/**
 * Says in a line that this Node is too old, before anything is loaded that it could not even read. `main.ts` imports nothing beside this
 * that says more than an old one understands.
 */

/** As `engines` in package.json has it. */
const needed = [24, 5] as const

const [major = 0, minor = 0] = process.version.slice(1).split('.').map(Number)
if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  process.stderr.write(`pooldns needs Node ${needed.join('.')} or later, and this is ${process.version}\n`)
  process.exit(1)
}
