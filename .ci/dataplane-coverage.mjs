// Fails unless the last run of tap covered every line, branch and function of the data plane, and says what it missed. Reads the
// JSON report that tap leaves behind (`coverage-report` in .taprc).
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const report = JSON.parse(readFileSync(`${root}.tap/report/coverage-final.json`, 'utf8'))
const files = readdirSync(`${root}src/dataplane`, { recursive: true })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => `src/dataplane/${path.replaceAll('\\', '/')}`)
  .sort()

const problems = []
for (const file of files) {
  const entry =
    report[Object.keys(report).find((path) => path.replaceAll('\\', '/').endsWith(`/${file}`)) ?? '']
  if (entry === undefined) {
    problems.push(`${file}: no test loads it`)
    continue
  }
  const missed = new Set()
  const miss = ({ start, end }, what) =>
    missed.add(`${what} ${start.line === end.line ? start.line : `${start.line}-${end.line}`}`)
  for (const [id, count] of Object.entries(entry.s)) if (count === 0) miss(entry.statementMap[id], 'line')
  for (const [id, counts] of Object.entries(entry.b)) {
    for (const [i, count] of counts.entries())
      if (count === 0) miss(entry.branchMap[id].locations[i], 'branch')
  }
  for (const [id, count] of Object.entries(entry.f)) if (count === 0) miss(entry.fnMap[id].loc, 'function')
  if (missed.size > 0) problems.push(`${file}: ${[...missed].join(', ')}`)
}

if (problems.length > 0) {
  console.error(`The tests miss parts of the data plane:\n  ${problems.join('\n  ')}`)
  process.exitCode = 1
} else {
  console.log(`The tests cover every line, branch and function of the data plane (${files.length} files).`)
}
