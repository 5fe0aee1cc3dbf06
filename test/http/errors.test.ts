import { beforeEach, describe, expect, test, vi } from 'vitest'
import { batches } from '../../src/db/schema.ts'
import { local, resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser } from '../workflows/records.ts'
import { prepared, send } from './calls.ts'
import { expectDocumented, operations } from './document.ts'
import { expectError, notFound, unauthorized, unavailable } from './error-shape.ts'
import { exampleOf, examples } from './examples.ts'
import { nobody } from './outcomes.ts'
import { workflowRoutes } from './routes.ts'
import { lane } from '../support/lane.ts'

beforeEach(resetEverything)

describe('what does not exist', () => {
  test.for(['/', '/api', '/api/admin', '/api/admin/workflow', '/api/users/ada', '/favicon.ico'])(
    'is a 404 at %s',
    async (path) => {
      const error = expectError(await rounds().call('GET', path), notFound)
      expect(error.message).toBe(`GET ${path} does not exist`)
    },
  )

  test.for([
    ['DELETE', '/api/admin/batches'],
    ['POST', '/api/admin/workflows'],
    ['GET', '/api/admin/workflows/agent-welcome/batches'],
    ['GET', `/api/admin/batches/${nobody}/cancel`],
    ['PUT', `/api/admin/batches/${nobody}`],
    ['POST', '/api/users/ada/welcome-placeholders'],
    ['POST', '/health'],
  ] as const)('is a 404 for %s %s', async ([method, path]) => {
    expectError(await rounds().call(method, path), notFound)
  })

  test('is a 404 for a workflow that nobody wrote, and for names of the language itself', async () => {
    for (const name of ['welcome', 'toString', '__proto__', 'agent-welcome%20']) {
      const answer = await rounds().call('POST', `/api/admin/workflows/${name}/batches`)
      expectError(answer, notFound)
    }
  })

  test.for(operations.filter(({ path }) => path.startsWith('/api/admin/batches/{id}')))(
    'is a 404 for an unknown batch at $method $path',
    async (operation) => {
      const app = rounds()
      const example = examples[operation.operationId]?.refused.find(({ status }) => status === 404)
      const call = example === undefined ? {} : await prepared(app, example)
      const answer = await send(app, operation, { ...call, params: { itemId: 'guide', id: nobody } })
      expect(expectError(answer, notFound).message).toBe(`batch ${nobody} does not exist`)
    },
  )

  test('is a 401 below the workflow routes, which only QStash may ask about', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      expectError(await rounds().call(method, '/api/workflows/no-such-workflow/process-users'), unauthorized)
    }
  })
})

describe('a database that is down', () => {
  const asking = operations.filter(({ operationId }) => operationId !== 'getHealth')

  test.for(asking)('is a 503 without internals at $method $path', async (operation) => {
    const app = rounds()
    const call = await prepared(app, exampleOf(operation))
    await local('neon', 'faults', { down: true })
    const answer = await send(app, operation, call)
    expectDocumented(operation, answer.response, answer.body)
    const error = expectError(answer, unavailable)
    expect(error).toEqual({ code: 'unavailable', message: expect.any(String) })
    expect(JSON.stringify(answer.body)).not.toMatch(
      /select|insert|update|neon|postgres|fault|stack|at .*:\d+/i,
    )
  })

  test('is told of in one line, whatever the path of the request holds', async () => {
    const told = vi.spyOn(console, 'error').mockReturnValue()
    await local('neon', 'faults', { down: true })
    const forged = '%0a[http]%20GET%20%2fhealth%20failed'
    expectError(await rounds().call('GET', `/api/users/ada${forged}/welcome-placeholders`), unavailable)
    const lines = told.mock.calls.map(([line]) => String(line))
    told.mockRestore()
    expect(lines).toEqual([expect.stringContaining(forged)])
    expect(lines[0]).not.toContain('\n')
  })

  test('is no reason to hide what needs no database', async () => {
    await local('neon', 'faults', { down: true })
    expect((await rounds().call('GET', '/health')).status).toBe(200)
    expect((await rounds().call('GET', '/openapi.json')).status).toBe(200)
  })

  test('serves again as soon as it is back', async () => {
    const app = rounds()
    await addUser(app.services.db, 'ada')
    await local('neon', 'faults', { down: true })
    expectError(await app.call('GET', '/api/users/ada/welcome-placeholders'), unavailable)
    await local('neon', 'faults', {})
    expect((await app.call('GET', '/api/users/ada/welcome-placeholders')).status).toBe(200)
  })
})

describe('a queue that takes nothing', () => {
  test('fails the start with a 503, and the next start is free to try', async () => {
    // Whatever listens there, it is no QStash.
    const app = rounds(undefined, { QSTASH_URL: lane.services.model })
    await addAgent(app.services.db, 'guide')
    expectError(await app.call('POST', '/api/admin/workflows/agent-welcome/batches'), unavailable)

    const [failed] = await app.services.db.select().from(batches)
    expect(failed).toMatchObject({ status: 'failed', reason: expect.stringContaining('QStash') })
    const again = await rounds().call('POST', '/api/admin/workflows/agent-welcome/batches')
    expect(again.status).toBe(201)
  })
})

test('every workflow route is one that the signature guards', async () => {
  for (const { path } of workflowRoutes) expectError(await rounds().call('POST', path, {}), unauthorized)
})
