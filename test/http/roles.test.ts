import { beforeEach, describe, expect, test } from 'vitest'
import { resetEverything, rounds } from '../support/rounds.ts'
import { bearer } from './bearer.ts'
import { prepared, send } from './calls.ts'
import { adminOperations } from './document.ts'
import { expectError, forbidden } from './error-shape.ts'
import { exampleOf } from './examples.ts'
import { stateOf } from './state.ts'

beforeEach(resetEverything)

const reading = adminOperations.filter(({ method }) => method === 'GET')
const writing = adminOperations.filter(({ method }) => method !== 'GET')
const onlyAdmin = new Set(['createToken', 'revokeToken'])
const operating = writing.filter(({ operationId }) => !onlyAdmin.has(operationId))
const administering = writing.filter(({ operationId }) => onlyAdmin.has(operationId))

async function tried(operation: (typeof adminOperations)[number], role: 'viewer' | 'operator') {
  const app = rounds()
  const example = exampleOf(operation)
  const call = await prepared(app, example)
  const header = await bearer(app, 'somebody', role)
  const before = await stateOf(app.services.db)
  const answer = await send(app, operation, call, header)
  return { app, answer, expected: example.status, before }
}

test('there is something to read, to operate and to administer', () => {
  expect([reading.length > 5, operating.length > 5, administering.length]).toEqual([true, true, 2])
})

describe('a viewer', () => {
  test.for(reading)('may ask $method $path, which changes nothing', async (operation) => {
    const { app, answer, expected, before } = await tried(operation, 'viewer')
    expect(answer.status).toBe(expected)
    expect(await stateOf(app.services.db)).toEqual(before)
  })

  test.for(writing)('may not ask $method $path, which then changes nothing', async (operation) => {
    const { app, answer, before } = await tried(operation, 'viewer')
    const { message } = expectError(answer, forbidden)
    expect(message).toContain('somebody')
    expect(await stateOf(app.services.db)).toEqual(before)
  })

  test('may not ask for what does not exist to be changed', async () => {
    const app = rounds()
    const header = await bearer(app, 'somebody', 'viewer')
    expectError(await app.call('POST', '/api/admin/no-such-thing', {}, header), forbidden)
  })
})

describe('an operator', () => {
  test.for([...reading, ...operating])('may ask $method $path', async (operation) => {
    const { answer, expected } = await tried(operation, 'operator')
    expect(answer.status).toBe(expected)
  })

  test.for(administering)('may not ask $method $path, which then changes nothing', async (operation) => {
    const { app, answer, before } = await tried(operation, 'operator')
    expectError(answer, forbidden)
    expect(await stateOf(app.services.db)).toEqual(before)
  })
})

test('a HEAD request may be made by who may make a GET request', async () => {
  const app = rounds()
  const header = await bearer(app, 'somebody', 'viewer')
  const ask = (method: string) =>
    app.worker(new Request('https://rounds.test/api/admin/batches', { method, headers: header }))
  expect((await ask('HEAD')).status).toBe(200)
  for (const method of ['OPTIONS', 'POST', 'DELETE']) expect((await ask(method)).status).toBe(403)
})
