import { beforeEach, describe, expect, test } from 'vitest'
import { resetEverything, rounds } from '../support/rounds.ts'
import { prepared, send } from './calls.ts'
import { adminOperations } from './document.ts'
import { expectError, unauthorized } from './error-shape.ts'
import { exampleOf } from './examples.ts'
import { stateOf } from './state.ts'
import { lane } from '../support/lane.ts'

beforeEach(resetEverything)

const token = lane.bindings.ADMIN_TOKEN ?? ''
const wrong: Record<string, string> = {
  'no token': '',
  'the scheme alone': 'Bearer',
  'an empty token': 'Bearer ',
  'another token': `Bearer ${'x'.repeat(token.length)}`,
  'a prefix of the token': `Bearer ${token.slice(0, -1)}`,
  'a longer token': `Bearer ${token}x`,
  'the token in upper case': `Bearer ${token.toUpperCase()}`,
  'the token twice': `Bearer ${token} ${token}`,
  'the token without a scheme': token,
  'another scheme': `Basic ${btoa(`admin:${token}`)}`,
  'a scheme that begins alike': `Bearers ${token}`,
}

describe.each(adminOperations)('the admin API at $method $path', (operation) => {
  test('refuses every wrong token, with no effect', async () => {
    const app = rounds()
    const example = exampleOf(operation)
    const call = await prepared(app, example)
    const before = await stateOf(app.services.db)
    for (const [why, authorization] of Object.entries(wrong)) {
      const answer = await send(app, operation, call, { authorization })
      expectError(answer, unauthorized)
      expect(answer.response.headers.get('www-authenticate'), why).toBe('Bearer')
    }
    expect(await stateOf(app.services.db)).toEqual(before)
    expect((await send(app, operation, call)).status).toBe(example.status)
  })

  test.for([`bearer ${token}`, `Bearer   ${token}`])('lets in "%s"', async (authorization) => {
    const app = rounds()
    const example = exampleOf(operation)
    const answer = await send(app, operation, await prepared(app, example), { authorization })
    expect(answer.status).toBe(example.status)
  })
})

test('the admin API asks for the token before it says what exists', async () => {
  const answer = await rounds().call('GET', '/api/admin/no-such-thing', undefined, { authorization: '' })
  expectError(answer, unauthorized)
})

test('the admin API refuses a request that has no header at all', async () => {
  const response = await rounds().worker(new Request('https://rounds.test/api/admin/batches'))
  expectError({ status: response.status, body: await response.json() }, unauthorized)
})
