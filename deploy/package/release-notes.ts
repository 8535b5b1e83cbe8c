/** `node deploy/package/release-notes.ts v1.2.0`: what CHANGELOG.md says of that release, for its page. */
import { notesOf } from './changelog.ts'
import { source } from './packaged.ts'

const [tag = ''] = process.argv.slice(2)
try {
  const version = /^v(\d+\.\d+\.\d+\S*)$/.exec(tag)?.[1]
  if (version === undefined) throw new Error(`"${tag}" is no tag of a release, such as v1.2.0`)
  const stated = JSON.parse(source('package.json')).version
  if (version !== stated) throw new Error(`the tag is ${tag}, and package.json says ${stated}`)
  process.stdout.write(`${notesOf(source('CHANGELOG.md'), version)}\n`)
} catch (error) {
  process.stderr.write(`release-notes: ${(error as Error).message}\n`)
  process.exitCode = 1
}
