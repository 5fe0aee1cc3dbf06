import * as fc from 'fast-check'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { batches, batchItems } from '../../src/db/schema.ts'
import { hostileText, isPolluted, tries } from '../support/hostile.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser } from '../workflows/records.ts'
import { pastBatch } from './batches.ts'
import { adminOperations, expectDocumented, operations, type Operation } from './document.ts'
import { expectError, unauthorized } from './error-shape.ts'
import { hostileRequests, worstRequests, type HostileRequest } from './hostile-calls.ts'
import { stateOf } from './state.ts'

beforeEach(resetEverything)

type Rounds = ReturnType<typeof rounds>

/** A deployment in which each parameter of a path has a value that leads somewhere. */
async function inhabited() {
  const app = rounds()
  const batch = pastBatch(1, { status: 'running', recorded: 1 })
  const item = { batchId: batch.id, itemId: 'ada', workflow: batch.workflow, scope: '', page: 1, version: '' }
  await addUser(app.services.db, 'ada')
  await addAgent(app.services.db, 'guide')
  await app.services.db.insert(batches).values(batch)
  await app.services.db.insert(batchItems).values({ ...item, status: 'queued' })
  const known = {
    id: batch.id,
    name: 'agent-welcome',
    itemId: 'ada',
    event: 'answer',
    workflow: 'agent-welcome',
  }
  return { app, known: { ...known, userId: 'ada', agentId: 'guide' } }
}

async function ask(app: Rounds, { method }: Operation, { path, headers, body }: HostileRequest) {
  const authorization = `Bearer ${app.services.env.ADMIN_TOKEN}`
  const request = new Request(`https://rounds.test${path}`, {
    method,
    headers: { ...headers, authorization },
    body,
  })
  const response = await app.worker(request)
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
  // Nobody reads a stream of events to its end.
  if (!isJson) await response.body?.cancel()
  return { response, body: isJson ? z.json().parse(await response.json()) : '' }
}

describe.each(operations)('whatever is sent to $method $path', (operation) => {
  test('is answered as the document says, without an outage, and what is refused changes nothing', async () => {
    const { app, known } = await inhabited()
    const logged = vi.spyOn(console, 'error')
    const property = async (request: HostileRequest) => {
      const before = await stateOf(app.services.db)
      const { response, body } = await ask(app, operation, request)
      expect(response.status, JSON.stringify(body)).toBeLessThan(500)
      expect(response.headers.get('x-injected')).toBeNull()
      expectDocumented(operation, response, body)
      const mayChange = response.ok && operation.method !== 'GET'
      if (!mayChange) expect(await stateOf(app.services.db)).toEqual(before)
      expect(isPolluted()).toBe(false)
    }
    for (const request of worstRequests(operation, known)) await property(request)
    await fc.assert(fc.asyncProperty(hostileRequests(operation, known), property), tries(10))
    expect(logged.mock.calls).toEqual([])
    logged.mockRestore()
  })
})

test('whatever is shown as a token, unless it is one, is refused, and is not repeated', async () => {
  const { app, known } = await inhabited()
  const before = await stateOf(app.services.db)
  const header = hostileText
    .map((text) => text.toWellFormed().replaceAll(/[^\x21-\x7e\xa1-\xff]/g, ''))
    .filter((text) => text !== '')
  const property = async (operation: Operation, token: string) => {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => Reflect.get(known, name) ?? 'x')
    const answer = await app.call(operation.method, path, undefined, { authorization: `Bearer ${token}` })
    expectError(answer, unauthorized)
    if (token.length > 20) expect(JSON.stringify(answer.body)).not.toContain(token)
  }
  await fc.assert(fc.asyncProperty(fc.constantFrom(...adminOperations), header, property), tries(40))
  expect(await stateOf(app.services.db)).toEqual(before)
})
