import t from 'tap'
import { ControlError, errorCodes, isUnavailable } from '../../../src/controlplane/model/errors.ts'

t.test('of all errors only one of the code unavailable says that waiting may help', async (t) => {
  const helped = errorCodes.filter((code) => isUnavailable(new ControlError(code, 'no')))
  t.same(helped, ['unavailable'])
  t.notOk(isUnavailable(Object.assign(new Error('no'), { code: 'unavailable' })))
  t.notOk(isUnavailable(null))
})
