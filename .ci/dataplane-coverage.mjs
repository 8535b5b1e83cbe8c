// Whether tests covered every line, branch and function of the data plane, by what Node counted while they ran.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Report } from 'c8'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Says what of the data plane was missed, if anything.
 *
 * @param coverage the folder that Node wrote its counts to (NODE_V8_COVERAGE)
 * @returns whether every line, branch and function was covered
 */
export async function dataPlaneIsCovered(coverage) {
  const report = await reportOf(coverage)
  const files = readdirSync(`${root}src/dataplane`, { recursive: true })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => `src/dataplane/${path.replaceAll('\\', '/')}`)
    .sort()
  const problems = files.flatMap((file) => {
    const path = Object.keys(report).find((path) => path.replaceAll('\\', '/').endsWith(`/${file}`))
    return path === undefined ? [`${file}: no test loads it`] : missedIn(file, report[path])
  })
  if (problems.length > 0) {
    console.error(`The tests miss parts of the data plane:\n  ${problems.join('\n  ')}`)
    return false
  }
  console.log(`The tests cover every line, branch and function of the data plane (${files.length} files).`)
  return true
}

async function reportOf(coverage) {
  const reportsDirectory = mkdtempSync(join(tmpdir(), 'pooldns-coverage-'))
  try {
    await new Report({
      tempDirectory: coverage,
      reportsDirectory,
      reporter: ['json'],
      include: ['src/dataplane/**'],
      extension: ['.ts'],
      // One file of counts after the other: there are a thousand.
      mergeAsync: true,
    }).run()
    return JSON.parse(readFileSync(join(reportsDirectory, 'coverage-final.json'), 'utf8'))
  } finally {
    rmSync(reportsDirectory, { recursive: true })
  }
}

function missedIn(file, entry) {
  const missed = new Set()
  const miss = ({ start, end }, what) =>
    missed.add(`${what} ${start.line === end.line ? start.line : `${start.line}-${end.line}`}`)
  for (const [id, count] of Object.entries(entry.s)) if (count === 0) miss(entry.statementMap[id], 'line')
  for (const [id, counts] of Object.entries(entry.b)) {
    for (const [i, count] of counts.entries())
      if (count === 0) miss(entry.branchMap[id].locations[i], 'branch')
  }
  for (const [id, count] of Object.entries(entry.f)) if (count === 0) miss(entry.fnMap[id].loc, 'function')
  return missed.size > 0 ? [`${file}: ${[...missed].join(', ')}`] : []
}
