import t from 'tap'
import { defaultAnswerSettings } from '../../../src/dataplane/image/answer-settings.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import { parseName } from '../../../src/dataplane/wire/name.ts'
import { query } from '../../support/dns-client.ts'
import { askUdp, generation, startFleet } from './running-fleet.ts'

const version = query('version.bind', 'TXT', { class: 3 })
const settings = (text: string) =>
  only({ ...defaultAnswerSettings, chaos: [{ name: parseName('version.bind.'), text }] })

t.test('settings reach the workers, those that start later too', async (t) => {
  const { fleet } = await startFleet(t, {}, { ...generation(1), settings: settings('first') })
  t.match((await askUdp(fleet, version)).answer, [/first/])
  await fleet.publish(generation(2))
  t.match((await askUdp(fleet, version)).answer, [/first/], 'an update without settings leaves them')
  await fleet.publish({ ...generation(3), settings: settings('second') })
  t.match((await askUdp(fleet, version)).answer, [/second/])
})
