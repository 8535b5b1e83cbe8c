import t from 'tap'
import { joinPath, pathInside } from '../../../src/controlplane/document/path.ts'

t.test('what is inside of a part is told from what only begins alike', async (t) => {
  const web = joinPath('pools', 'web')
  const table = [
    ['pools.web', ''],
    ['pools.web.members.fra-1.address', 'members.fra-1.address'],
    ['pools.web[2].x', '[2].x'],
    ['pools.web["a.b"]', '["a.b"]'],
    ['pools.web2.members', null],
    ['pools.web-2', null],
    ['pools.we', null],
    ['services["www.example.test"]', null],
  ] as const
  for (const [path, rest] of table) t.equal(pathInside(path, web), rest, path)
  const service = joinPath('services', 'www.example.test')
  t.equal(pathInside(joinPath(service, 'answers', 0), service), 'answers[0]')
  t.equal(pathInside(joinPath('services', 'www.example.test.x'), service), null)
  t.equal(pathInside('pools.web', ''), 'pools.web', 'all is inside of the input')
})
